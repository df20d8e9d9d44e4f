"""Formats of speaker turns: Rich Transcription Time Marked (RTTM) and subtitles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from photism.errors import InputError
from photism.listening.label_formats import as_json, as_table
from photism.listening.segments import Segment
from photism.listening.transcription import formats
from photism.listening.transcription.subtitles import Cue

if TYPE_CHECKING:
    from photism.listening.diarization import Diarization

TurnFormat: TypeAlias = Literal["table", "rttm", "json", "srt"]

TURN_FORMATS: tuple[TurnFormat, ...] = get_args(TurnFormat)
SUFFIXES: Mapping[TurnFormat, str] = {"table": ".txt", "rttm": ".rttm", "json": ".jsonl", "srt": ".srt"}
"""File suffix of each format."""


def format_turns(file: str, result: Diarization, format: TurnFormat, *, name: str) -> str:
    """Return the turns of a recording in a format; except for "srt", those of several recordings can be joined.

    Args:
        file: name of the recording.
        result: its turns.
        format: one of `TURN_FORMATS`.
        name: name of the recording in RTTM.
    """
    if format == "rttm":
        return as_rttm(name, result.turns)
    if format == "srt":
        return as_srt(result.turns)
    if format == "json":
        return as_json({"file": file} | result.as_dict())
    return as_table(file, result.turns, with_times=True)


def as_rttm(recording: str, turns: Iterable[Segment]) -> str:
    """Return turns as RTTM, a line each, which NIST's tools and pyannote read."""
    name = "_".join(recording.split())
    return "".join(
        f"SPEAKER {name} 1 {start_s:.3f} {end_s - start_s:.3f} <NA> <NA> {'_'.join(label.split())} <NA> <NA>\n"
        for start_s, end_s, label, _ in turns
    )


def read_rttm(text: str) -> dict[str, list[Segment]]:
    """Return the turns in an RTTM file by recording, with score 1.

    Raises:
        InputError: a line is not a turn.
    """
    turns: dict[str, list[Segment]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":  # other types of lines are no turns
            continue
        try:
            start_s, duration_s = float(fields[3]), float(fields[4])
            turn = Segment(start_s, start_s + duration_s, fields[7], 1.0)
        except (IndexError, ValueError):
            raise InputError(f"line {number} is not a turn in RTTM: {line!r}") from None
        turns.setdefault(fields[1], []).append(turn)
    return turns


def as_srt(turns: Iterable[Segment]) -> str:
    """Return SubRip subtitles with the names of the speakers."""
    return formats.as_srt([Cue(start_s, end_s, (label,)) for start_s, end_s, label, _ in turns])
