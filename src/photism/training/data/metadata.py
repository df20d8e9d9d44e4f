"""Reader of a folder with metadata.csv, metadata.tsv or metadata.jsonl, which has a row a recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.manifest.columns import columns_of
from photism.manifest.tables import read_json_lines, read_table
from photism.training.data.example import Example, ListedRow, RowReader, split_of_folder

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")


def find_metadata(folder: Path) -> list[Path]:
    """Return the list of a folder, or those of its folders that are called like splits.

    Raises:
        InputError: a folder has two lists.
    """
    lists = _own_lists(folder)
    if lists:
        return lists
    splits = [path for path in sorted(folder.iterdir()) if path.is_dir() and split_of_folder(path.name)]
    return [path for split in splits for path in _own_lists(split)]


def read_metadata(lists: Sequence[Path], folder: Path) -> Iterator[ListedRow]:
    """Yield the rows of lists; a row of the list of a split is in that split, unless it names another.

    Args:
        lists: the lists.
        folder: folder of the data set.
    """
    for path in lists:
        split = split_of_folder(path.parent.name) if path.parent != folder else None
        for row in read_json_lines(path) if path.suffix == ".jsonl" else read_table(path):
            yield ListedRow({"split": split, **row} if split else row, path.parent)


def merge_rows(listed: Iterable[ListedRow], rows: RowReader, folder: Path) -> list[Example]:
    """Return the examples of rows. Rows of the same file and segment are one example with several texts.

    Args:
        listed: the rows.
        rows: how rows become examples.
        folder: folder of the data set.

    Raises:
        InputError: there are no rows, a row cannot be used, or an example is in two splits.
    """
    merged: dict[tuple[Any, ...], Example] = {}
    for row in listed:
        example = rows.example(_relative_to(folder, row, rows.sound_columns), folder=folder)
        key = (example.name, example.start_s, example.end_s)
        before = merged.setdefault(key, example)
        splits = {before.split, example.split} - {None}
        if len(splits) > 1:
            raise InputError(f"{folder} puts {example.name} in two splits; keep one")
        texts = tuple(dict.fromkeys(before.texts + example.texts))
        merged[key] = replace(before, texts=texts, split=next(iter(splits), None))
    return list(merged.values())


def _relative_to(folder: Path, row: ListedRow, columns: Sequence[str]) -> Mapping[str, Any]:
    """Return the values of a row, with the path of its recording relative to the folder of the data set."""
    named = columns_of(row.values, columns).used
    sound = row.values[named[0]] if named else None
    if row.folder == folder or not isinstance(sound, str) or "://" in sound or Path(sound).is_absolute():
        return row.values
    return {**row.values, named[0]: str(row.folder.relative_to(folder) / sound)}


def _own_lists(folder: Path) -> list[Path]:
    lists = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(lists) > 1:
        raise InputError(f"{folder} has both {' and '.join(path.name for path in lists)}; remove one")
    return lists
