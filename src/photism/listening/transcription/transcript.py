"""What was said, and when: a text, its words, and what each of them is written with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.vocabulary import SPACE, Vocabulary


class Span(NamedTuple):
    """An output of the head, and the frames that it is heard in."""

    output: int
    start: int
    stop: int  # one past the last


@dataclass(frozen=True, slots=True)
class Character:
    """What one output of the head writes in a word: a character as a rule, a piece of a word with some tokenizers.

    Attributes:
        text: without spaces.
        start_s, end_s: of the frames that it is heard in.
        confidence: the mean of its probability in these frames, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word.

    Attributes:
        text: without spaces.
        start_s, end_s: from its first character's to its last one's.
        confidence: the mean of its characters'.
        characters: at least one.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float
    characters: tuple[Character, ...]


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording.

    Attributes:
        text: the words with a space between them.
        words: in order.
        duration_s: of the recording.
        windows: how many the recording was heard in; 1: as a whole; 0: nobody speaks.
    """

    words: tuple[Word, ...]
    duration_s: float
    windows: int = 1

    @property
    def text(self) -> str:
        """The words with a space between them; empty where nothing was said."""
        return SPACE.join(word.text for word in self.words)

    def as_dict(self, *, characters: bool = False) -> dict[str, Any]:
        """What JSON can hold: times to the millisecond, confidences to four digits."""
        return {
            "text": self.text,
            "duration_s": round(self.duration_s, 3),
            "windows": self.windows,
            "words": [_told(word, characters=characters) for word in self.words],
        }


def spell(
    spans: Sequence[Span],
    log_probs: NDArray[np.float32],
    vocabulary: Vocabulary,
    *,
    frame_s: float,
    first_frame: int = 0,
    duration_s: float = math.inf,
) -> tuple[Word, ...]:
    """The words that outputs of a head write.

    Args:
        spans: in the order of their frames, without blanks.
        log_probs: (F, V).
        vocabulary: of the V.
        frame_s: from one frame to the next.
        first_frame: of the recording, where `log_probs` are from its middle.
        duration_s: of the recording, which its last frame may reach beyond.
    """
    words: list[Word] = []
    characters: list[Character] = []

    def end_word() -> None:
        if characters:
            confidence = sum(each.confidence for each in characters) / len(characters)
            text = "".join(each.text for each in characters)
            words.append(Word(text, characters[0].start_s, characters[-1].end_s, confidence, tuple(characters)))
            characters.clear()

    for output, start, stop in spans:
        piece = vocabulary.pieces[output]
        if piece.startswith(SPACE):
            end_word()
        if written := piece.strip(SPACE):
            times = (first_frame + start) * frame_s, min((first_frame + stop) * frame_s, duration_s)
            confidence = float(np.exp(log_probs[start:stop, output], dtype=np.float64).mean())
            characters.append(Character(written, *times, confidence))
            if piece.endswith(SPACE):
                end_word()
    end_word()
    return tuple(words)


def _told(heard: Word | Character, *, characters: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {
        "text": heard.text,
        "start_s": round(heard.start_s, 3),
        "end_s": round(heard.end_s, 3),
        "confidence": round(heard.confidence, 4),
    }
    if characters and isinstance(heard, Word):
        told["characters"] = [_told(each) for each in heard.characters]
    return told
