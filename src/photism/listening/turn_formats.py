"""Formats of speaker turns: Rich Transcription Time Marked (RTTM) and subtitles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from photism.errors import InputError
from photism.listening.segments import Segment
from photism.listening.transcription import formats
from photism.listening.transcription.subtitles import Cue

TurnFormat: TypeAlias = Literal["table", "rttm", "json", "srt"]

TURN_FORMATS: tuple[TurnFormat, ...] = get_args(TurnFormat)


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
