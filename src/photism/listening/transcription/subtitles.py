"""Subtitles of a transcript: at most two lines of 42 characters, which end at pauses.

Lengths and durations follow common guidelines, such as those of Netflix for English: 42 characters per line, 5/6 s to
7 s, 2 frames between subtitles (https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript, Word

MAX_LINE_LENGTH = 42  # characters
MIN_DURATION_S = 5 / 6
MAX_DURATION_S = 7.0
PAUSE_S = 0.8
"""Pause between two words that ends a subtitle."""
GAP_S = 2 / 24
"""Minimum time between a prolonged subtitle and the next one."""


class Cue(NamedTuple):
    """A subtitle with its times and its lines, which those of a given subtitle file have with their markup."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    has_markup: bool = False


def word_cues(transcript: Transcript) -> list[Cue]:
    """Return a subtitle for each word, with the times of the word."""
    return [Cue(word.start_s, word.end_s, (word.text,)) for word in transcript.words]


def phrase_cues(transcript: Transcript) -> list[Cue]:
    """Return subtitles, prolonged to a readable duration if the next one leaves time.

    They are those of the given text, if it has any, and otherwise have as many words as fit.
    """
    subtitles: Sequence[Cue] = transcript.cues
    if not subtitles:
        groups = _groups([part for word in transcript.words for part in _split_word(word)])
        subtitles = [Cue(group[0].start_s, group[-1].end_s, _lines([word.text for word in group])) for group in groups]
    starts = [*(cue.start_s for cue in subtitles), transcript.duration_s + GAP_S]
    return [
        cue._replace(end_s=max(cue.end_s, min(cue.start_s + MIN_DURATION_S, next_start_s - GAP_S)))
        for cue, next_start_s in zip(subtitles, starts[1:], strict=True)
    ]


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the words of each subtitle."""
    group: list[Word] = []
    for word in words:
        if group:
            is_after_pause = word.start_s - group[-1].end_s >= PAUSE_S
            is_too_long = word.end_s - group[0].start_s > MAX_DURATION_S
            if is_after_pause or is_too_long or not _fits([*(each.text for each in group), word.text]):
                yield group
                group = []
        group.append(word)
    if group:
        yield group


def _fits(texts: Sequence[str]) -> bool:
    return all(len(line) <= MAX_LINE_LENGTH for line in _lines(texts))


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    """Return one line or, if it would be too long, two lines of lengths as equal as possible."""
    whole = " ".join(texts)
    if len(whole) <= MAX_LINE_LENGTH or len(texts) == 1:
        return (whole,)
    splits = [(" ".join(texts[:count]), " ".join(texts[count:])) for count in range(1, len(texts))]
    return min(splits, key=lambda lines: (max(map(len, lines)), len(lines[0])))


def _split_word(word: Word) -> Iterator[Word]:
    """Yield a word or, for scripts without spaces, parts of it that fit in a line and in the duration of a subtitle."""
    start = 0
    characters = word.characters
    for index in range(1, len(characters) + 1):
        text = "".join(each.text for each in characters[start : index + 1])
        ends = index == len(characters)
        if not ends:
            ends = len(text) > MAX_LINE_LENGTH or characters[index].end_s - characters[start].start_s > MAX_DURATION_S
        if ends:
            part = characters[start:index]
            text = "".join(each.text for each in part)
            yield replace(word, text=text, start_s=part[0].start_s, end_s=part[-1].end_s, characters=part)
            start = index
