"""Subtitles of a transcript: at most two lines of 42 characters, or of 16 full-width characters, that end at pauses.

Lengths and durations follow common guidelines, such as those of Netflix for English and Chinese: 42 characters per line
or 16, 5/6 s to 7 s, 2 frames between subtitles (https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977).
A character is a grapheme cluster (https://www.unicode.org/reports/tr29/). Lines break between words, or between the
characters of a script without spaces; a word breaks only where it is longer than a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import regex

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript, Word

NARROW_PER_LINE, WIDE_PER_LINE = 42, 16
"""Characters of a line that are all narrow, and all full-width."""
NARROW, WIDE, LINE = WIDE_PER_LINE, NARROW_PER_LINE, NARROW_PER_LINE * WIDE_PER_LINE
"""Widths of a narrow character, a full-width one and a line, in a common unit."""
MIN_DURATION_S = 5 / 6
MAX_DURATION_S = 7.0
PAUSE_S = 0.8
"""Pause between two words that ends a subtitle."""
GAP_S = 2 / 24
"""Minimum time between a prolonged subtitle and the next one."""
CLUSTER = regex.compile(r"\X")
UNSPACED = regex.compile(r"[\p{Line_Break=ID}\p{Line_Break=CJ}\p{Line_Break=SA}]")
"""Characters of scripts without spaces, such as Han, Kana, Thai and Khmer: ideographs, and those that Unicode's line
breaking leaves to dictionaries (https://www.unicode.org/reports/tr14/)."""

NO_START = regex.compile(r"[\p{Line_Break=CL}\p{Line_Break=CP}\p{Line_Break=EX}\p{Line_Break=IS}\p{Line_Break=NS}]")
"""Punctuation that does not start a line."""


class Cue(NamedTuple):
    """A subtitle.

    Attributes:
        start_s: time at which it appears, in seconds.
        end_s: time at which it disappears, in seconds.
        lines: its text.
        has_markup: whether the lines have the markup of the subtitle file that they are from.
    """

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
        groups = _groups([part for word in transcript.words for part in _parts(word, transcript.separator)])
        subtitles = [Cue(group[0].start_s, group[-1].end_s, _lines(group)) for group in groups]
    starts = [*(cue.start_s for cue in subtitles), transcript.duration_s + GAP_S]
    return [
        cue._replace(end_s=max(cue.end_s, min(cue.start_s + MIN_DURATION_S, next_start_s - GAP_S)))
        for cue, next_start_s in zip(subtitles, starts[1:], strict=True)
    ]


class _Part(NamedTuple):
    """A part of a transcript within which lines do not break."""

    before: str  # text between it and the part before, if they are in the same line
    text: str
    start_s: float
    end_s: float


def _groups(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield the parts of each subtitle."""
    group: list[_Part] = []
    for part in parts:
        if group:
            is_after_pause = part.start_s - group[-1].end_s >= PAUSE_S
            is_too_long = part.end_s - group[0].start_s > MAX_DURATION_S
            if is_after_pause or is_too_long or _best_split([*group, part])[1] > LINE:
                yield group
                group = []
        group.append(part)
    if group:
        yield group


def _lines(parts: Sequence[_Part]) -> tuple[str, ...]:
    """Return one line or, if it would be too long, two lines of widths as equal as possible."""
    split = _best_split(parts)[0]
    lines = (parts[:split], parts[split:])
    return tuple("".join([line[0].text, *(part.before + part.text for part in line[1:])]) for line in lines if line)


def _best_split(parts: Sequence[_Part]) -> tuple[int, int]:
    """Return the number of parts in the first of two lines, which is all if they fit, and the width of the wider."""
    ends = list(accumulate(_width(part.before + part.text) for part in parts))
    first = _width(parts[0].before)  # at the start of a line, what is before a part is left out
    whole = len(parts), ends[-1] - first
    if whole[1] <= LINE or len(parts) == 1:
        return whole
    widths = [
        (max(ends[count - 1] - first, ends[-1] - ends[count - 1] - _width(parts[count].before)), ends[count - 1], count)
        for count in range(1, len(parts))
    ]
    width, _, count = min(widths)
    return count, width


def _width(text: str) -> int:
    return sum(WIDE if _is_wide(cluster) else NARROW for cluster in CLUSTER.findall(text))


def _is_wide(cluster: str) -> bool:
    return any(unicodedata.east_asian_width(character) in ("W", "F") for character in cluster)


def _parts(word: Word, separator: str) -> Iterator[_Part]:
    """Yield a word, the characters of a script without spaces, or parts of a long word that fit in a line."""
    part = previous = None
    for cluster in _clusters(word):
        if part is None or previous is None:
            part = cluster._replace(before=separator)
        elif not _may_break(previous.text, cluster.text) and _width(part.text + cluster.text) <= LINE:
            part = part._replace(text=part.text + cluster.text, end_s=cluster.end_s)
        else:
            yield part
            part = cluster
        previous = cluster
    if part is not None:
        yield part


def _clusters(word: Word) -> list[_Part]:
    """Return the characters of a word, joined to whole grapheme clusters."""
    if "".join(each.text for each in word.characters) != word.text:  # the times of the characters are not known
        return [_Part("", word.text, word.start_s, word.end_s)]
    boundaries = {match.start() for match in CLUSTER.finditer(word.text)}
    clusters: list[_Part] = []
    offset = 0
    for each in word.characters:
        if offset in boundaries:
            clusters.append(_Part("", each.text, each.start_s, each.end_s))
        else:
            clusters[-1] = clusters[-1]._replace(text=clusters[-1].text + each.text, end_s=each.end_s)
        offset += len(each.text)
    return clusters


def _may_break(before: str, after: str) -> bool:
    return not NO_START.match(after) and bool(UNSPACED.search(before) or UNSPACED.match(after))
