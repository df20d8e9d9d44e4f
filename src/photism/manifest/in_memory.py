"""Recordings that Python code gives: paths, rows, and tables such as a DataFrame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from photism.errors import InputError
from photism.manifest.columns import SOUND_COLUMNS
from photism.manifest.entry import Entry
from photism.manifest.hf_dataset import split_entries
from photism.manifest.read import Manifest, read_manifest
from photism.manifest.table_listing import row_entry

if TYPE_CHECKING:
    import pandas

Row: TypeAlias = "Mapping[str, Any]"
Place: TypeAlias = "str | PathLike[str]"
Recordings: TypeAlias = "Manifest | Iterable[Entry] | Place | Sequence[Place] | Sequence[Row] | pandas.DataFrame"
"""A path or URL, or a list of them, each as an argument of a command; rows as those of a manifest, in a list, a
DataFrame or another table that pyarrow reads; a data set of `datasets`, or a dict of its splits; or entries."""


def as_manifest(recordings: Recordings) -> Manifest:
    """Return recordings as a manifest. It can be iterated once if they can.

    Raises:
        InputError: as in `read_manifest`, there are no recordings, or rows have no column with a recording.
    """
    if isinstance(recordings, str | PathLike):
        return read_manifest([os.fspath(recordings)])
    splits = _splits_of(recordings)
    if splits is not None:
        return Manifest([SplitListing(splits)])
    items = _rows_of_table(recordings) if _is_table(recordings) else recordings
    if isinstance(items, Manifest):
        return items
    if not isinstance(items, list | tuple):
        return Manifest([EntryListing(cast("Iterable[Entry]", items))])
    given = cast("Sequence[Any]", items)
    if not given:
        raise InputError("recordings must not be empty")
    if isinstance(given[0], Entry):
        return Manifest([EntryListing(given)])
    if isinstance(given[0], Mapping):
        return Manifest([RowListing.of(given)])
    return read_manifest([os.fspath(each) for each in given])


@dataclass(frozen=True)
class EntryListing:
    """Recordings that are entries already.

    Attributes:
        given: the entries.
    """

    given: Iterable[Entry]

    def entries(self) -> Iterator[Entry]:
        """Yield the entries."""
        return iter(self.given)

    def count(self) -> int | None:
        """Return the number of entries; None for a generator."""
        return len(self.given) if isinstance(self.given, Sized) else None


@dataclass(frozen=True)
class RowListing:
    """Recordings of rows, whose other columns are kept. Paths are relative to the working folder.

    Attributes:
        rows: the rows.
    """

    rows: Sequence[Row]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> RowListing:
        """Return a listing of rows.

        Raises:
            InputError: the first one has no column with a recording.
        """
        if not any(name in rows[0] for name in SOUND_COLUMNS):
            expected, found = " or ".join(SOUND_COLUMNS), ", ".join(map(str, rows[0]))
            raise InputError(f"recordings need a column {expected} with the recording; they have {found}")
        return cls(rows)

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each row, with a problem for a row that cannot be used."""
        for number, row in enumerate(self.rows):
            plain = {str(name): _without_numpy(value) for name, value in row.items()}
            yield row_entry(plain, f"rows#{number}", f"rows/{number}", "")

    def count(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


@dataclass(frozen=True)
class SplitListing:
    """Recordings of a data set of `datasets` in memory; the locations of rows with bytes are "dataset/split/17".

    Attributes:
        splits: the splits by their names; "" for one without a name.
    """

    splits: Mapping[str, Any]

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each row, with a problem for a row without a recording."""
        for name, split in self.splits.items():
            yield from split_entries(split, "dataset", name)

    def count(self) -> int | None:
        """Return the number of rows; None if the data set is streamed."""
        if not all(hasattr(split, "__len__") for split in self.splits.values()):
            return None
        return sum(map(len, self.splits.values()))


def _splits_of(recordings: Any) -> Mapping[str, Any] | None:
    """Return the splits of a data set of `datasets`; None for anything else."""
    if not hasattr(recordings, "cast_column"):
        return None
    return recordings if isinstance(recordings, Mapping) else {str(recordings.split or ""): recordings}


def _is_table(recordings: Any) -> bool:
    return hasattr(recordings, "iterrows") or hasattr(recordings, "__arrow_c_stream__")


def _rows_of_table(table: Any) -> list[Row]:
    """Return the rows of a DataFrame of pandas, or of any other table that pyarrow reads."""
    if hasattr(table, "iterrows"):
        return table.astype(object).where(table.notna(), None).to_dict("records")
    import pyarrow

    return pyarrow.table(table).to_pylist()


def _without_numpy(value: Any) -> Any:
    """Return a value without NumPy's types, and a path as text."""
    if isinstance(value, PathLike):
        return os.fspath(cast("PathLike[str]", value))
    return value.tolist() if hasattr(value, "tolist") else value
