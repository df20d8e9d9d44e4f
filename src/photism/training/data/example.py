"""Examples of a data set: from a row of whatever format to a recording with its targets as texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from photism.errors import InputError
from photism.manifest.columns import NO_COLUMNS, Columns, first_of, is_missing, segment_of_row

if TYPE_CHECKING:
    from photism.audio.waveform import AudioSource

TEXT_COLUMNS = ("text", "caption", "captions", "texts", "sentence", "transcript", "transcription", "description")
TRANSCRIPT_COLUMNS = tuple(dict.fromkeys(("text", "transcript", "transcription", "sentence", *TEXT_COLUMNS)))
LABEL_COLUMNS = ("labels", "label", "category")
SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id")
SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "validation", "eval": "validation", "evaluation": "validation",
}  # fmt: skip
"""Split of each name of one: everything that is not for training is used for validation."""
NO_SPLIT = frozenset({"null", "none", "nan", "na", "n/a", "<na>"})
"""What tables hold where a row has no split."""

ReadRow: TypeAlias = "Callable[[Mapping[str, Any]], tuple[str, ...]]"
"""Returns the targets of a row as texts: its captions, its transcript, its classes.

Every format gives rows. Without a list of the recordings, the name of a recording's folder is in column `labels`; of a
WebDataset, the .txt file is in `text` and the .cls file in `label`.
"""
ReadGroup: TypeAlias = "Callable[[Mapping[str, Any]], str | None]"
"""Returns what keeps rows in one split together, such as their speaker."""


ReadColumns: TypeAlias = "Callable[[Mapping[str, Any]], Columns]"
"""Returns the columns of a row that hold targets."""


@dataclass(frozen=True)
class Example:
    """A recording, not decoded yet, and its targets.

    Attributes:
        name: name of the recording in reports.
        sound: what `load_waveform` accepts; None if the row has no recording, which the report lists.
        texts: targets as texts.
        split: "train" or "validation"; None to choose by the group or, without one, by the name.
        start_s: start of the segment to use, in seconds.
        end_s: its end; None for the end of the recording.
        group: examples of one group are in one split, such as those of a speaker.
        columns: columns that hold targets, for the report.
    """

    name: str
    sound: AudioSource | None
    texts: tuple[str, ...]
    split: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    group: str | None = None
    columns: Columns = NO_COLUMNS


@dataclass(frozen=True)
class DataSource:
    """Examples of a data set, and what of it is not read.

    Attributes:
        examples: the examples, in the same order whenever the data set is read.
        notes: how it is read and what of it is not, as sentences.
    """

    examples: Iterable[Example]
    notes: Sequence[str] = ()

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


class ListedRow(NamedTuple):
    """Row of a list of recordings, and the folder that its paths are relative to."""

    values: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class RowReader:
    """How rows become examples.

    Attributes:
        read_row: returns the targets of a row.
        read_group: returns the group of a row.
        read_columns: returns the columns that hold a row's targets.
        sound_columns: columns that may hold the recording.
    """

    read_row: ReadRow
    read_group: ReadGroup
    read_columns: ReadColumns
    sound_columns: Sequence[str]

    def example(self, row: Mapping[str, Any], *, folder: Path | None = None) -> Example:
        """Return the example of a row; relative paths are relative to the folder.

        Raises:
            InputError: the row has no column with a recording, or a value that cannot be used.
        """
        if not any(each in row for each in self.sound_columns):
            expected = " or ".join(self.sound_columns)
            raise InputError(f"data needs a column {expected} with the recording; it has {', '.join(map(str, row))}")
        sound = first_of(row, self.sound_columns)
        name = str(row.get("name") or row.get("id") or "")
        if isinstance(sound, Mapping):  # the Audio feature of datasets
            name = str(sound.get("path") or name)
            sound = sound.get("bytes") or sound
        elif isinstance(sound, str):
            name = sound
            if folder is not None and "://" not in sound:
                sound = folder / sound
        start_s, end_s = segment_of_row(row, name)
        return Example(
            name=name,
            sound=sound,
            start_s=start_s,
            end_s=end_s,
            texts=self.read_row(row),
            split=split_of(row.get("split")),
            group=self.read_group(row),
            columns=self.read_columns(row),
        )


def speaker_of_row(row: Mapping[str, Any], column: str | None, *, or_label: bool = False) -> str | None:
    """Return the speaker of a row, or None.

    Args:
        row: row of a data set.
        column: column with the speaker; None for the usual ones.
        or_label: whether a label, such as the name of the folder, is the speaker if there is no such column.
    """
    found = first_of(row, speaker_columns(column, or_label=or_label))
    if isinstance(found, list | tuple):  # labels of a folder, or of a class of datasets
        found = found[0] if found else None
    return None if found is None else str(found).strip() or None


def speaker_columns(column: str | None, *, or_label: bool = False) -> tuple[str, ...]:
    """Return the columns that `speaker_of_row` looks into."""
    return (column,) if column else SPEAKER_COLUMNS + (LABEL_COLUMNS if or_label else ())


def split_of(name: Any) -> str | None:
    """Return "train" or "validation" for the name of a split; None for none.

    Raises:
        InputError: the name is unknown.
    """
    if is_missing(name) or str(name).strip().lower() in NO_SPLIT:
        return None
    split = split_of_folder(str(name))
    if split is None:
        raise InputError(f"split must be one of {', '.join(SPLITS)}; got {name}")
    return split


def split_of_folder(name: str) -> str | None:
    """Return the split that the name of a folder or list begins with, such as train-clean-100 or dev; None for none."""
    return SPLITS.get(re.split("[^a-z]", name.strip().lower(), maxsplit=1)[0])
