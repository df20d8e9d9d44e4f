"""File formats of a transcript: plain text, subtitles (SubRip, WebVTT), a table, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from photism.listening.transcription.subtitles import Cue, phrase_cues, word_cues

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript

MS_PER_S = 1000


def write_transcript(transcript: Transcript, name: str, *, words: bool = False) -> str:
    """Return the content of a file.

    Args:
        transcript: the transcript.
        name: one of `TRANSCRIPT_FORMATS`: "txt", the text in a line; "srt" or "vtt", subtitles; "tsv", a table of start
            and end in milliseconds and text; "json", the words with times and confidences.
        words: make a subtitle, or a row, for each word. JSON always has the words; this adds their characters.

    Source: https://docs.fileformat.com/video/srt/ and https://www.w3.org/TR/webvtt1/.
    """
    return WRITERS[name](transcript, words)


def _txt(transcript: Transcript, words: bool) -> str:
    return f"{transcript.text}\n"


def _json(transcript: Transcript, words: bool) -> str:
    return f"{json.dumps(transcript.as_dict(characters=words), ensure_ascii=False, indent=2)}\n"


def as_srt(subtitles: Sequence[Cue]) -> str:
    """Return subtitles in the SubRip format."""
    blocks = [
        # An arrow would be read as the times of a subtitle.
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{_lines(cue.lines).replace('-->', '→')}\n"
        for number, cue in enumerate(subtitles, start=1)
    ]
    return "\n".join(blocks)


def _srt(transcript: Transcript, words: bool) -> str:
    return as_srt(_cues(transcript, words))


def _vtt(transcript: Transcript, words: bool) -> str:
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{_escaped(_lines(cue.lines))}\n"
        for cue in _cues(transcript, words)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _tsv(transcript: Transcript, words: bool) -> str:
    rows = [
        f"{round(cue.start_s * MS_PER_S)}\t{round(cue.end_s * MS_PER_S)}\t{' '.join(cue.lines)}"
        for cue in _cues(transcript, words)
    ]
    return "\n".join(["start\tend\ttext", *rows, ""])


WRITERS: dict[str, Callable[[Transcript, bool], str]] = {
    "txt": _txt,
    "srt": _srt,
    "vtt": _vtt,
    "tsv": _tsv,
    "json": _json,
}
TRANSCRIPT_FORMATS = tuple(WRITERS)


def _cues(transcript: Transcript, words: bool) -> Sequence[Cue]:
    return word_cues(transcript) if words else phrase_cues(transcript)


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    """Return a time as 00:00:00, the decimal point and three digits."""
    ms = round(seconds * MS_PER_S)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // MS_PER_S % 60:02d}{point}{ms % MS_PER_S:03d}"
