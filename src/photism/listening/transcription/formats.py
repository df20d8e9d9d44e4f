"""File formats of a transcript: plain text, subtitles (SubRip, WebVTT), a table, JSON, CTM and TextGrid."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from photism.errors import warning_field
from photism.listening.label_formats import as_csv, as_json
from photism.listening.segments import Segment
from photism.listening.textgrid import Interval, as_textgrid
from photism.listening.transcription.subtitles import Cue, phrase_cues, word_cues

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript

MS_PER_S = 1000
MARKUP = r"(</?(?:b|c|i|lang|rt|ruby|u|v)(?:[. ][^<>]*)?>)"
"""A tag of WebVTT, some of which SubRip has in common."""


def write_transcript(
    transcript: Transcript,
    format: str,
    *,
    words: bool = False,
    file: str | None = None,
    name: str = "recording",
    warnings: Sequence[str] = (),
) -> str:
    """Return a transcript in a format; those of several recordings can be joined in "csv", "ctm" and "jsonl".

    Args:
        transcript: the transcript.
        format: one of `TRANSCRIPT_FORMATS`: "txt", the text in a line; "srt" or "vtt", subtitles; "tsv", a table of
            start and end in milliseconds and text; "csv", a row for the recording without the header, one of
            `CSV_HEADERS`; "json" or "jsonl", the words with times and confidences; "ctm", a
            line for each word; "textgrid", the words for Praat.
        words: make a subtitle, or a row of a table, for each word. JSON always has the words, and a TextGrid; this adds
            their characters.
        file: name of the recording in JSON and CSV, if it has one.
        name: name of the recording in CTM, without spaces.
        warnings: what is missing in the recording, for JSON.

    Source: https://docs.fileformat.com/video/srt/ and https://www.w3.org/TR/webvtt1/;
    https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm for CTM.
    """
    if format in CUE_WRITERS:
        return CUE_WRITERS[format](word_cues(transcript) if words else phrase_cues(transcript))
    if format == "txt":
        return f"{transcript.text}\n"
    if format == "csv":
        return _csv(transcript, file or name, words=words)
    if format == "ctm":
        return _ctm(transcript, name)
    if format == "textgrid":
        return _textgrid(transcript, characters=words)
    values: dict[str, Any] = {} if file is None else {"file": file}
    values |= transcript.as_dict(characters=words) | warning_field(warnings)
    return as_json(values) if format == "jsonl" else f"{json.dumps(values, ensure_ascii=False, indent=2)}\n"


def as_srt(subtitles: Sequence[Cue]) -> str:
    """Return subtitles in the SubRip format."""
    blocks = [
        # An arrow would be read as the times of a subtitle.
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{_lines(cue.lines).replace('-->', '→')}\n"
        for number, cue in enumerate(subtitles, start=1)
    ]
    return "\n".join(blocks)


def as_vtt(subtitles: Sequence[Cue]) -> str:
    """Return subtitles in the WebVTT format."""
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{_escaped(_lines(cue.lines), cue.has_markup)}\n"
        for cue in subtitles
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def as_tsv(subtitles: Sequence[Cue]) -> str:
    """Return subtitles as a table: start and end in milliseconds and text, separated by tabs."""
    rows = [
        f"{round(cue.start_s * MS_PER_S)}\t{round(cue.end_s * MS_PER_S)}\t{' '.join(cue.lines)}" for cue in subtitles
    ]
    return "\n".join(["start\tend\ttext", *rows, ""])


CUE_WRITERS: dict[str, Callable[[Sequence[Cue]], str]] = {"srt": as_srt, "vtt": as_vtt, "tsv": as_tsv}
TRANSCRIPT_FORMATS = ("txt", *CUE_WRITERS, "csv", "json", "jsonl", "ctm", "textgrid")
CSV_HEADERS = {False: "file,duration_s,text\n", True: "file,start_s,end_s,word,confidence\n"}
"""Header of CSV with a row for each recording, and of CSV with one for each word."""


def _csv(transcript: Transcript, file: str, *, words: bool) -> str:
    """Return a row of the text, or one for each word, in the columns of `CSV_HEADERS`."""
    if words:
        return as_csv(
            file, [Segment(word.start_s, word.end_s, word.text, word.confidence) for word in transcript.words]
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow((file, round(transcript.duration_s, 3), transcript.text))
    return text.getvalue()


def _ctm(transcript: Transcript, name: str) -> str:
    """Return a line for each word: recording, channel, start and duration in seconds, word, confidence."""
    lines: list[str] = []
    for word in transcript.words:
        start_ms, end_ms = round(word.start_s * MS_PER_S), round(word.end_s * MS_PER_S)
        times = f"{start_ms / MS_PER_S:.3f} {(end_ms - start_ms) / MS_PER_S:.3f}"
        lines.append(f"{name} 1 {times} {word.text} {word.confidence:.4f}\n")
    return "".join(lines)


def _textgrid(transcript: Transcript, *, characters: bool) -> str:
    tiers = {"words": [Interval(word.start_s, word.end_s, word.text) for word in transcript.words]}
    if transcript.cues:
        tiers["cues"] = [Interval(cue.start_s, cue.end_s, " ".join(cue.lines)) for cue in transcript.cues]
    if characters:
        tiers["characters"] = [
            Interval(each.start_s, each.end_s, each.text) for word in transcript.words for each in word.characters
        ]
    return as_textgrid(tiers, transcript.duration_s)


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _escaped(text: str, has_markup: bool) -> str:
    """Return a text with entities in place of reserved characters, except in its markup if it has any."""
    parts = re.split(MARKUP, text) if has_markup else [text]
    parts[::2] = [part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for part in parts[::2]]
    return "".join(parts)


def _clock(seconds: float, point: str) -> str:
    """Return a time as 00:00:00, the decimal point and three digits."""
    ms = round(seconds * MS_PER_S)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // MS_PER_S % 60:02d}{point}{ms % MS_PER_S:03d}"
