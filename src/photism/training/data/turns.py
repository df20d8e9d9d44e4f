"""Speaker turns of a recording, from RTTM files or from columns of times and speakers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError
from photism.listening.recording_names import find_recording
from photism.listening.segments import Segment
from photism.listening.turn_formats import read_rttm
from photism.manifest.columns import SOUND_COLUMNS, first_of, segment_of_row
from photism.training.data.readers import fingerprint
from photism.training.settings import FramesSettings

NOBODY = "0 0 -"
"""A turn of length 0, for a recording that is known to be silent."""
RTTM_COLUMN = "rttm"
TURN_COLUMNS = ("timestamps_start", "timestamps_end", "speakers")
"""Columns with lists of one length, as in diarization data sets of the hub."""


def turns_of_row(row: Mapping[str, Any], settings: FramesSettings) -> tuple[str, ...]:
    """Return the turns of a recording, or of the segment that the row names, each as "start end speaker".

    They come from columns of times, from a file that the row names under `rttm`, from the file or folder
    `settings.rttm`, or from a file next to the recording, in this order.
    """
    if all(row.get(name) is not None for name in TURN_COLUMNS):
        turns = _turns_in_columns(row)
    else:
        found = _turns_in_files(row, settings)
        if found is None:
            return ()
        turns = list(found)
    start_s, last_s = segment_of_row(row, "a row")
    end_s = last_s or math.inf
    parts = [(max(turn.start_s, start_s) - start_s, min(turn.end_s, end_s) - start_s, turn.label) for turn in turns]
    return tuple(f"{start!r} {end!r} {who}" for start, end, who in parts if start < end) or (NOBODY,)


def version_of_rttm(settings: FramesSettings) -> str | None:
    """Return a text that changes when the RTTM file or folder does; None if the settings name none.

    Raises:
        InputError: there is no such file or folder.
    """
    if settings.rttm is None:
        return None
    path = Path(settings.rttm)
    if not path.exists():
        raise InputError(f"rttm must be a file or a folder; there is no {path}")
    return fingerprint(settings.rttm) if path.is_dir() else f"{path}: {path.stat().st_size}, {path.stat().st_mtime_ns}"


def parse_turns(texts: Sequence[str]) -> list[Segment]:
    """Return the turns that `turns_of_row` returned as texts."""
    found: list[Segment] = []
    for text in texts:
        start, end, who = text.split(" ", 2)
        if float(start) < float(end):
            found.append(Segment(float(start), float(end), who, 1.0))
    return found


def activity(turns: Sequence[Segment], names: Sequence[str], *, tokens: int, token_s: float) -> NDArray[np.bool_]:
    """Return which speakers are active at the centre of each token, (F, C).

    Args:
        turns: speaker turns.
        names: names of the C speakers; others are ignored.
        tokens: F, number of tokens.
        token_s: length of a token in seconds.
    """
    centres_s = (np.arange(tokens) + 0.5) * token_s
    active = np.zeros((tokens, len(names)), bool)
    for turn in turns:
        if turn.label in names:
            active[(turn.start_s <= centres_s) & (centres_s < turn.end_s), names.index(turn.label)] = True
    return active


def _turns_in_columns(row: Mapping[str, Any]) -> list[Segment]:
    try:
        lists = [list(row[name]) for name in TURN_COLUMNS]
        return [Segment(float(start), float(end), str(who), 1.0) for start, end, who in zip(*lists, strict=True)]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{', '.join(TURN_COLUMNS)} must be lists of one length with seconds and names: {error}"
        ) from None


def _turns_in_files(row: Mapping[str, Any], settings: FramesSettings) -> Sequence[Segment] | None:
    """Return the turns in the file of a recording, or None if there is no such file."""
    sound = first_of(row, (settings.sound_column,) if settings.sound_column else SOUND_COLUMNS)
    if isinstance(sound, Mapping):  # the Audio feature of datasets
        sound = sound.get("path")
    path = sound if isinstance(sound, Path) else Path(settings.data) / sound if isinstance(sound, str) else None
    named = row.get(RTTM_COLUMN)
    if named:
        return _turns_of(Path(settings.data) / str(named), str(path or ""))
    if path is None:
        return None
    if settings.rttm and Path(settings.rttm).is_file():
        recordings = _read(Path(settings.rttm))
        return recordings.get(find_recording(recordings, str(path)) or "")
    folder, name = Path(settings.rttm) if settings.rttm else path.parent, f"{path.stem}.rttm"
    inside = path.relative_to(settings.data).parent if path.is_relative_to(settings.data) else Path()
    # In a folder of RTTM files, a/talk.wav and b/talk.wav may have a/talk.rttm and b/talk.rttm.
    own = next((each for each in (folder / inside / name, folder / name) if each.is_file()), None)
    return _turns_of(own, str(path)) if own else None


def _turns_of(path: Path, recording: str) -> Sequence[Segment]:
    """Return the turns of a recording in a file; of its only recording whatever the name."""
    recordings = _read(path)
    name = find_recording(recordings, recording)
    if name is None and len(recordings) > 1:
        raise InputError(f"{path} has no turns of {recording!r}, only of {', '.join(sorted(recordings)[:5])}")
    return recordings[name] if name is not None else next(iter(recordings.values()), [])


def _read(path: Path) -> dict[str, list[Segment]]:
    if not path.is_file():
        raise InputError(f"{path}: no such RTTM file")
    return _read_version(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_version(path: Path, changed_ns: int) -> dict[str, list[Segment]]:
    try:
        return read_rttm(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be RTTM in UTF-8; it cannot be read: {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
