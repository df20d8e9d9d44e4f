"""Reader of a folder of recordings without a list: train/dog/1.wav has the label dog and is in the split train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from photism.files import as_utf8
from photism.manifest.recognition import SOUND_SUFFIXES
from photism.training.data.example import SPLITS, Example, RowReader


def recordings_in(folder: Path) -> list[Path]:
    """Return the audio and video files in a folder and the folders in it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix[1:].lower() in SOUND_SUFFIXES)


def read_folder(recordings: list[Path], folder: Path, rows: RowReader) -> Iterator[Example]:
    """Yield the examples of recordings, whose folders name their label and, above it, their split."""
    for path in recordings:
        parts = path.relative_to(folder).parts[:-1]
        split = SPLITS.get(parts[0].lower()) if parts else None
        labels = [as_utf8(label) for label in parts[1 if split else 0 :]]  # they become names of classes
        row: dict[str, Any] = {"audio": path, "labels": labels[-1:]}
        yield Example(
            name=str(path.relative_to(folder)),
            sound=path,
            texts=rows.read_row(row),
            split=split,
            group=rows.read_group(row),
        )
