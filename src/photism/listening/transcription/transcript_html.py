"""Transcripts as HTML for notebooks: lines with their times, in which each word has its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from photism.display.markup import MUTED, duration, limit_note, note, text
from photism.display.playable import part
from photism.listening.transcription.subtitles import PAUSE_S

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript, Word

MAX_WORDS = 500
"""Words that are shown: the first ones."""
LINE_WORDS = 12
"""Most words in a line, which ends at a pause as well."""
DOUBTFUL = 0.5
"""Confidence below which a word is underlined with dots."""
MAX_MISSING = 8


def transcript_html(transcript: Transcript, *, plays: bool) -> str:
    """Return the first 500 words in lines with their times.

    Args:
        transcript: the transcript.
        plays: whether there is a player, so that a click plays a word.
    """
    shown = transcript.words[:MAX_WORDS]
    lines: list[str] = []
    for line in _lines(shown):
        words = text(transcript.separator).join(_word(word, plays=plays) for word in line)
        lines.append(f'<div><span style="{MUTED}">{duration(line[0].start_s)}</span> {words}</div>')
    remarks = [limit_note(len(shown), len(transcript.words), "words"), _describe(transcript)]
    return "".join([*lines, *map(note, remarks)])


def _describe(transcript: Transcript) -> str:
    """Return the number of words, the duration and the words that were not found."""
    about = f"{len(transcript.words):,} words in {duration(transcript.duration_s)}"
    if not transcript.missing:
        return about
    names = [each.text for each in transcript.missing[:MAX_MISSING]]
    names += ["…"] if len(transcript.missing) > MAX_MISSING else []
    return f"{about}; {len(transcript.missing):,} not found in the recording: {', '.join(names)}"


def _lines(words: tuple[Word, ...]) -> Iterator[list[Word]]:
    line: list[Word] = []
    for word in words:
        if line and (len(line) == LINE_WORDS or word.start_s - line[-1].end_s >= PAUSE_S):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _word(word: Word, *, plays: bool) -> str:
    about = f"{duration(word.start_s)} to {duration(word.end_s)}, confidence {word.confidence:.2f}"
    style = "background:none" + (";text-decoration:underline dotted" if word.confidence < DOUBTFUL else "")
    return part(word.start_s, word.end_s, about, word.text, style=style, plays=plays)
