"""Formats of speaker turns: Rich Transcription Time Marked (RTTM), subtitles and TextGrids.

RTTM is defined in appendix A of NIST's 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from photism.errors import InputError, warning_field
from photism.listening.label_formats import as_csv, as_json, as_table
from photism.listening.recording_names import as_field
from photism.listening.segments import Segment
from photism.listening.textgrid import Interval, as_textgrid
from photism.listening.transcription import formats
from photism.listening.transcription.subtitles import Cue

if TYPE_CHECKING:
    from photism.listening.diarization import Diarization

TurnFormat: TypeAlias = Literal["table", "rttm", "json", "csv", "srt", "textgrid"]

TURN_FORMATS: tuple[TurnFormat, ...] = get_args(TurnFormat)
SUFFIXES: Mapping[TurnFormat, str] = {
    "table": ".txt",
    "rttm": ".rttm",
    "json": ".jsonl",
    "csv": ".csv",
    "srt": ".srt",
    "textgrid": ".TextGrid",
}
"""File suffix of each format."""
CSV_HEADER = "file,start_s,end_s,speaker,score\n"
SINGLE_FORMATS = ("srt", "textgrid")
"""Formats whose files hold a single recording."""
NOT_APPLICABLE = "<NA>"
SPEAKER = "SPEAKER"
OTHER_TYPES = (
    *("SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "IP", "SU", "CB"),
    *("A/P", "SPKR-INFO"),
)
"""Types of RTTM lines that are not speaker turns."""
MAX_LAST_FIELDS = 2
"""Fields after the name of the speaker: the confidence, and the signal lookahead time, which some tools omit."""


def format_turns(file: str, result: Diarization, format: TurnFormat, *, name: str, warnings: Sequence[str] = ()) -> str:
    """Return the turns of a recording in a format; except for "srt" and "textgrid", those of several can be joined.

    Args:
        file: name of the recording.
        result: its turns.
        format: one of `TURN_FORMATS`. "csv" is without the header, `CSV_HEADER`.
        name: name of the recording in RTTM.
        warnings: what is missing in the recording, for JSON.
    """
    if format == "rttm":
        return as_rttm(name, result.turns)
    if format == "csv":
        return as_csv(file, result.turns)
    if format == "srt":
        return as_srt(result.turns)
    if format == "textgrid":
        return _textgrid(result)
    if format == "json":
        return as_json({"file": file} | result.as_dict() | warning_field(warnings))
    return as_table(file, result.turns, with_times=True)


def as_rttm(recording: str, turns: Iterable[Segment]) -> str:
    """Return turns as RTTM, a line each, which NIST's tools and pyannote read."""
    lines: list[str] = []
    for start_s, end_s, label, _ in turns:
        start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
        times = f"{start_ms / 1000:.3f} {(end_ms - start_ms) / 1000:.3f}"
        lines.append(f"{SPEAKER} {as_field(recording)} 1 {times} <NA> <NA> {as_field(label)} <NA> <NA>\n")
    return "".join(lines)


def read_rttm(text: str) -> dict[str, list[Segment]]:
    """Return the turns in an RTTM file by recording, with score 1.

    Names of recordings and speakers may have spaces, although RTTM does not allow them, if the two fields after the
    times are `<NA>`, as in all files with speaker turns.

    Raises:
        InputError: a line is not RTTM, or a turn has a start or duration that is negative or not finite.
    """
    turns: dict[str, list[Segment]] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        fields = re.findall(r"[^ \t\r]+", line)
        if not fields or fields[0].startswith(";;") or fields[0] in OTHER_TYPES:
            continue
        try:
            recording, turn = _read_turn(fields)
        except (IndexError, ValueError):
            raise InputError(f"line {number} is not a turn in RTTM: {line.rstrip()!r}") from None
        times = turn.start_s, turn.end_s - turn.start_s
        if not all(math.isfinite(each) and each >= 0 for each in times):
            raise InputError(
                f"line {number}: start and duration of a turn must be finite and at least 0: {line.rstrip()!r}"
            )
        turns.setdefault(recording, []).append(turn)
    return turns


def _read_turn(fields: Sequence[str]) -> tuple[str, Segment]:
    """Return the recording and the turn of a line.

    Raises:
        IndexError, ValueError: it is not a turn.
    """
    after_times = (
        index
        for index in range(5, len(fields) - 1)
        if fields[index : index + 2] == [NOT_APPLICABLE] * 2 and all(map(_is_number, fields[index - 2 : index]))
    )
    ortho = next(after_times, 5)  # index of the field after the times
    start_s, duration_s = float(fields[ortho - 2]), float(fields[ortho - 1])
    name = list(fields[ortho + 2 :])
    for _ in range(MAX_LAST_FIELDS):
        if len(name) > 1 and (name[-1] == NOT_APPLICABLE or _is_number(name[-1])):
            name.pop()
    if fields[0] != SPEAKER or not name:
        raise ValueError(fields[0])
    return " ".join(fields[1 : ortho - 3]), Segment(start_s, start_s + duration_s, " ".join(name), 1.0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_srt(turns: Iterable[Segment]) -> str:
    """Return SubRip subtitles with the names of the speakers."""
    return formats.as_srt([Cue(start_s, end_s, (label,)) for start_s, end_s, label, _ in turns])


def _textgrid(result: Diarization) -> str:
    """Return a TextGrid with a tier for each speaker, since their turns may overlap."""
    tiers: dict[str, list[Interval]] = {}
    for start_s, end_s, label, _ in result.turns:
        tiers.setdefault(label, []).append(Interval(start_s, end_s, label))
    return as_textgrid(tiers, result.duration_s)
