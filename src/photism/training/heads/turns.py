"""Who speaks when in a recording, out of a data set: RTTM, or columns of times and speakers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError
from photism.listening.segments import Segment
from photism.listening.turn_formats import read_rttm
from photism.training.data.readers import END_COLUMNS, SOUND_COLUMNS, START_COLUMNS, fingerprint, first_of, seconds_of
from photism.training.heads.settings import FramesSettings

NOBODY = "0 0 -"
"""A turn of no length: of a recording that is known to be silent."""
RTTM_COLUMN = "rttm"
TURN_COLUMNS = ("timestamps_start", "timestamps_end", "speakers")
"""Lists of one length, as diarizers' data sets of the hub have them."""


def turns_of_row(row: Mapping[str, Any], settings: FramesSettings) -> tuple[str, ...]:
    """The turns of a recording, or of the part of it that is meant, each as "start end speaker".

    They are looked for in columns of times, in a file that the row names under `rttm`, in the file or folder
    `settings.rttm`, and beside the sound.
    """
    if all(row.get(name) is not None for name in TURN_COLUMNS):
        turns = _columns(row)
    else:
        found = _turns_in_files(row, settings)
        if found is None:
            return ()
        turns = list(found)
    start_s = seconds_of(row, START_COLUMNS, "a row") or 0.0
    end_s = seconds_of(row, END_COLUMNS, "a row") or math.inf
    parts = [(max(turn.start_s, start_s) - start_s, min(turn.end_s, end_s) - start_s, turn.label) for turn in turns]
    return tuple(f"{start!r} {end!r} {who}" for start, end, who in parts if start < end) or (NOBODY,)


def version_of_rttm(settings: FramesSettings) -> str | None:
    """Changes when the file or folder of RTTM does.

    Raises:
        InputError: it is neither.
    """
    if settings.rttm is None:
        return None
    path = Path(settings.rttm)
    if not path.exists():
        raise InputError(f"rttm must be a file or a folder; there is no {path}")
    return fingerprint(settings.rttm) if path.is_dir() else f"{path}: {path.stat().st_size}, {path.stat().st_mtime_ns}"


def segments(texts: Sequence[str]) -> list[Segment]:
    """What `turns_of_row` gave."""
    found: list[Segment] = []
    for text in texts:
        start, end, who = text.split(" ", 2)
        if float(start) < float(end):
            found.append(Segment(float(start), float(end), who, 1.0))
    return found


def activity(turns: Sequence[Segment], names: Sequence[str], *, tokens: int, token_s: float) -> NDArray[np.bool_]:
    """Who of some speakers speaks in the middle of each token: (F, C)."""
    middles = (np.arange(tokens) + 0.5) * token_s
    active = np.zeros((tokens, len(names)), bool)
    for turn in turns:
        if turn.label in names:
            active[(turn.start_s <= middles) & (middles < turn.end_s), names.index(turn.label)] = True
    return active


def _columns(row: Mapping[str, Any]) -> list[Segment]:
    try:
        lists = [list(row[name]) for name in TURN_COLUMNS]
        return [Segment(float(start), float(end), str(who), 1.0) for start, end, who in zip(*lists, strict=True)]
    except (TypeError, ValueError) as error:
        wanted = ", ".join(TURN_COLUMNS)
        raise InputError(
            f"data must have as many {wanted}, lists of seconds and names; a row has not: {error}"
        ) from None


def _turns_in_files(row: Mapping[str, Any], settings: FramesSettings) -> Sequence[Segment] | None:
    """None where there is no file for this recording."""
    sound = first_of(row, (settings.sound_column,) if settings.sound_column else SOUND_COLUMNS)
    if isinstance(sound, Mapping):  # of the feature Audio
        sound = sound.get("path")
    path = sound if isinstance(sound, Path) else Path(settings.data) / sound if isinstance(sound, str) else None
    named = row.get(RTTM_COLUMN)
    if named:
        return _of_recording(Path(settings.data) / str(named), path.stem if path else "")
    if path is None:
        return None
    if settings.rttm and Path(settings.rttm).is_file():
        return _read(Path(settings.rttm)).get(path.stem)
    folder = Path(settings.rttm) if settings.rttm else path.parent
    beside = folder / f"{path.stem}.rttm"
    return _of_recording(beside, path.stem) if beside.is_file() else None


def _of_recording(path: Path, name: str) -> Sequence[Segment]:
    """A file's turns of a recording; of the only one that it is about, whatever its name."""
    recordings = _read(path)
    if name not in recordings and len(recordings) > 1:
        raise InputError(f"{path} must have turns of {name!r}; it has those of {', '.join(sorted(recordings)[:5])}")
    return recordings.get(name) or next(iter(recordings.values()), [])


def _read(path: Path) -> dict[str, list[Segment]]:
    if not path.is_file():
        raise InputError(f"{path} must be RTTM; there is no such file")
    return _read_version(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_version(path: Path, changed_ns: int) -> dict[str, list[Segment]]:
    try:
        return read_rttm(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be RTTM in UTF-8; it cannot be read: {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
