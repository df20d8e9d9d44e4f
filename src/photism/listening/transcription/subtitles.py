"""A transcript in subtitles that can be read: at most two lines of 42 characters, from pause to pause.

Lengths and durations are those of usual guidelines, such as Netflix' for English: 42 characters a line, 5/6 s to 7 s,
2 frames apart (https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from photism.listening.transcription.transcript import Transcript, Word

LINE_CHARACTERS = 42
LINES = 2
SHORTEST_S = 5 / 6
LONGEST_S = 7.0
PAUSE_S = 0.8
"""Between two words, which a subtitle does not go across."""
GAP_S = 2 / 24
"""Between a subtitle that was made longer and the next."""


class Cue(NamedTuple):
    """A subtitle."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def word_cues(transcript: Transcript) -> list[Cue]:
    """One a word, with its own times."""
    return [Cue(word.start_s, word.end_s, (word.text,)) for word in transcript.words]


def cues(transcript: Transcript) -> list[Cue]:
    """Subtitles of as many words as fit, each shown long enough to be read, if the next leaves time for it."""
    groups = list(_groups([part for word in transcript.words for part in _parts(word)]))
    starts = [*(group[0].start_s for group in groups), transcript.duration_s + GAP_S]
    found: list[Cue] = []
    for group, next_start_s in zip(groups, starts[1:], strict=True):
        start_s, end_s = group[0].start_s, group[-1].end_s
        wanted_s = min(start_s + SHORTEST_S, next_start_s - GAP_S)
        found.append(Cue(start_s, max(end_s, wanted_s), _lines([word.text for word in group])))
    return found


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The words of each subtitle."""
    group: list[Word] = []
    for word in words:
        if group:
            paused = word.start_s - group[-1].end_s >= PAUSE_S
            too_long = word.end_s - group[0].start_s > LONGEST_S
            if paused or too_long or not _fits([*(each.text for each in group), word.text]):
                yield group
                group = []
        group.append(word)
    if group:
        yield group


def _fits(texts: Sequence[str]) -> bool:
    return all(len(line) <= LINE_CHARACTERS for line in _lines(texts))


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    """In one line or, if they are too long for it, in two that are as nearly alike as can be."""
    whole = " ".join(texts)
    if len(whole) <= LINE_CHARACTERS or len(texts) == 1:
        return (whole,)
    ways = [(" ".join(texts[:count]), " ".join(texts[count:])) for count in range(1, len(texts))]
    return min(ways, key=lambda lines: (max(map(len, lines)), len(lines[0])))


def _parts(word: Word) -> Iterator[Word]:
    """A word or, of writing without spaces, pieces of it that fit a line and last no longer than a subtitle."""
    start = 0
    characters = word.characters
    for index in range(1, len(characters) + 1):
        text = "".join(each.text for each in characters[start : index + 1])
        ends = index == len(characters)
        if not ends:
            ends = len(text) > LINE_CHARACTERS or characters[index].end_s - characters[start].start_s > LONGEST_S
        if ends:
            part = characters[start:index]
            text = "".join(each.text for each in part)
            yield Word(text, part[0].start_s, part[-1].end_s, word.confidence, part)
            start = index
