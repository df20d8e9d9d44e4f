"""Transcript of a recording: its words with times and confidences, and the tokens they are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from photism.display.markup import Html, block
from photism.display.short_repr import short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.audio.waveform import AudioSource
    from photism.listening.transcription.subtitles import Cue
    from photism.listening.transcription.vocabulary import Vocabulary

APOSTROPHE = "'"
PUNCTUATION = (".", "?", "!", ",")
JOINED_STARTS = (*PUNCTUATION, "n't", "'m", "'s", "'ve", "'re")
"""Beginnings of words that are joined to the word before."""
MIN_FIT = 0.15
"""Mean confidence of the words of a given text below which it is probably of another recording."""
SHOWN_WORDS = 8
"""Number of missing words that a message names."""


class TokenSpan(NamedTuple):
    """A token, and the range of frames in which it is predicted.

    Attributes:
        token: id of the token.
        start: first frame.
        stop: one after the last frame.
    """

    token: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Character:
    """Text of one token within a word: usually a character, with some tokenizers a subword.

    Attributes:
        text: the text, without spaces.
        start_s: start of the token's first frame, in seconds.
        end_s: end of its last frame, in seconds.
        confidence: mean probability of the token in these frames, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """Return the character for JSON: times to a millisecond, the confidence to four digits."""
        return _as_dict(self)

    def __repr__(self) -> str:
        return short_repr(self)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a transcript.

    Attributes:
        text: the text, without spaces.
        start_s: start of the first character, in seconds.
        end_s: end of the last character, in seconds.
        confidence: mean confidence of the characters, 0 to 1; for a word of a given text their geometric mean.
        characters: at least one.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float
    characters: tuple[Character, ...]

    def as_dict(self, *, characters: bool = False) -> dict[str, Any]:
        """Return the word for JSON, with its characters if wanted."""
        return _as_dict(self) | ({"characters": [each.as_dict() for each in self.characters]} if characters else {})

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name, as in `word["start_s"]`."""
        return getattr(self, name)

    def __repr__(self) -> str:
        return short_repr(self, text=self.text, start_s=self.start_s, end_s=self.end_s, confidence=self.confidence)


@dataclass(frozen=True, slots=True)
class MissingWord:
    """A word of a given text that was not found in the recording.

    Attributes:
        index: index of the word in the text, from 0.
        text: the word.
    """

    index: int
    text: str


@dataclass(frozen=True)
class Transcript:
    """A transcript of a recording.

    Attributes:
        words: words in order.
        duration_s: duration of the recording.
        windows: number of windows it was computed in: 1 for the whole recording at once, 0 if no speech was detected.
        separator: text between two words, usually a space.
        cues: subtitles of a given text, without those whose words were not found; otherwise none.
        missing: words of a given text that were not found in the recording; otherwise none.
    """

    words: tuple[Word, ...]
    duration_s: float
    windows: int = 1
    separator: str = " "
    cues: tuple[Cue, ...] = ()
    missing: tuple[MissingWord, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name, as in `transcript["text"]`."""
        return getattr(self, name)

    @property
    def text(self) -> str:
        """Words with separators between them; empty if there are none."""
        return self.separator.join(word.text for word in self.words)

    def as_dict(self, *, characters: bool = False) -> dict[str, Any]:
        """Return the transcript for JSON: times to a millisecond, confidences to four digits."""
        values: dict[str, Any] = {
            "text": self.text,
            "duration_s": round(self.duration_s, 3),
            "windows": self.windows,
            "words": [word.as_dict(characters=characters) for word in self.words],
        }
        if self.cues:
            values["cues"] = [
                {"text": "\n".join(lines), "start_s": round(start_s, 3), "end_s": round(end_s, 3)}
                for start_s, end_s, lines, _ in self.cues
            ]
        if self.missing:
            values["missing"] = [{"index": each.index, "text": each.text} for each in self.missing]
        return values

    def player(self, recording: AudioSource) -> Html:
        """Return the transcript below a player, for a notebook: a click on a word plays it.

        Args:
            recording: the recording, as `load_waveform` accepts it. The player holds its first minute.

        Raises:
            InputError: it is unreadable.
        """
        from photism.audio.player import player
        from photism.listening.transcription.transcript_html import transcript_html

        return player(recording, transcript_html(self, plays=True))

    def __repr__(self) -> str:
        missing = {"missing": len(self.missing)} if self.missing else {}
        return short_repr(self, text=self.text, words=len(self.words), duration_s=self.duration_s, **missing)

    def _repr_html_(self) -> str:
        from photism.listening.transcription.transcript_html import transcript_html

        return block(transcript_html(self, plays=False))


def describe_mismatch(transcript: Transcript) -> str:
    """Return a sentence on how a given text differs from its recording; empty if all of it was found and fits."""
    count = len(transcript.words) + len(transcript.missing)
    fit = sum(word.confidence for word in transcript.words) / max(1, count)
    found = ""
    if transcript.missing:
        shown = [each.text for each in transcript.missing[:SHOWN_WORDS]]
        shown += ["…"] if len(transcript.missing) > SHOWN_WORDS else []
        found = f"{len(transcript.missing)} of {count} words were not found in the recording: {', '.join(shown)}"
    if fit >= MIN_FIT:
        return found
    badly = f"the transcript does not fit the recording (mean confidence {fit:.2f}); is it the right one?"
    return f"{badly} {found}".rstrip()


def tokens_to_words(
    spans: Sequence[TokenSpan],
    log_probs: NDArray[np.float32],
    vocabulary: Vocabulary,
    *,
    frame_s: float,
    first_frame: int = 0,
    duration_s: float = math.inf,
) -> tuple[Word, ...]:
    """Join tokens to words with times and confidences.

    Args:
        spans: tokens in order of their frames, without blanks.
        log_probs: log-probabilities (F, V).
        vocabulary: vocabulary of the V tokens.
        frame_s: time from one frame to the next.
        first_frame: frame of the recording that `log_probs` starts at.
        duration_s: duration of the recording; a word ends there at the latest.
    """
    # Here, since the formats of the command line import this module.
    import numpy as np

    from photism.listening.transcription.vocabulary import SPACE

    words: list[Word] = []
    characters: list[Character] = []

    def end_word() -> None:
        """Make a word of the characters so far."""
        if characters:
            words.append(_word_of(_with_final_sigma(characters) if vocabulary.has_final_sigma else characters))
            characters.clear()

    for token, start, stop in spans:
        text = vocabulary.tokens[token]
        if text.startswith(SPACE):
            end_word()
        if stripped := text.strip(SPACE):
            times = (first_frame + start) * frame_s, min((first_frame + stop) * frame_s, duration_s)
            confidence = float(np.exp(log_probs[start:stop, token], dtype=np.float64).mean())
            characters.append(Character(stripped, *times, confidence))
            if text.endswith(SPACE):
                end_word()
    end_word()
    return tuple(_join_punctuation(words) if vocabulary.joins_punctuation else words)


def _word_of(characters: Sequence[Character]) -> Word:
    confidence = sum(each.confidence for each in characters) / len(characters)
    text = "".join(each.text for each in characters)
    return Word(text, characters[0].start_s, characters[-1].end_s, confidence, tuple(characters))


def _with_final_sigma(characters: Sequence[Character]) -> list[Character]:
    """Return the characters of a word in the lower case of the whole word, which depends on its end in Greek."""
    rest = iter("".join(each.text for each in characters).replace("σ", "Σ").lower())
    return [replace(each, text="".join(islice(rest, len(each.text)))) for each in characters]


def _join_punctuation(words: Sequence[Word]) -> list[Word]:
    """Join words as `PreTrainedTokenizerBase.clean_up_tokenization` of transformers does."""
    joined: list[Word] = []
    joins_next = False
    for index, word in enumerate(words):
        following = words[index + 1].text if index + 1 < len(words) else ""
        is_apostrophe_between = (
            word.text == APOSTROPHE and index > 0 and bool(following) and not following.startswith(PUNCTUATION)
        )
        if joined and (joins_next or is_apostrophe_between or word.text.startswith(JOINED_STARTS)):
            joined[-1] = _word_of((*joined[-1].characters, *word.characters))
        else:
            joined.append(word)
        joins_next = is_apostrophe_between
    return joined


def _as_dict(item: Word | Character) -> dict[str, Any]:
    return {
        "text": item.text,
        "start_s": round(item.start_s, 3),
        "end_s": round(item.end_s, 3),
        "confidence": round(item.confidence, 4),
    }
