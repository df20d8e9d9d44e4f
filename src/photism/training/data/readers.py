"""Read a data set of whatever format, and detect whether it has changed.

metadata.csv, metadata.jsonl    a row a recording: file, text or labels, optionally split and start and end seconds
train/dog/1.wav                 recordings in folders that are named like labels, perhaps in those of splits
shard-{000..099}.tar            WebDataset
name or path                    whatever `datasets.load_dataset` or `load_from_disk` reads, streamed
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from photism.errors import InputError
from photism.training.data.example import NO_COLUMNS, SOUND_COLUMNS, Example, ReadColumns, ReadGroup, ReadRow, RowReader
from photism.training.data.folder import read_folder, recordings_in
from photism.training.data.hf_datasets import hub_version, is_saved_dataset, read_hf_dataset
from photism.training.data.metadata import METADATA, read_metadata
from photism.training.data.webdataset import TAR_SUFFIXES, expand_shards, read_shards


def read_examples(
    data: str,
    read_row: ReadRow,
    *,
    read_group: ReadGroup = lambda row: None,
    read_columns: ReadColumns = lambda row: NO_COLUMNS,
    sound_column: str | None = None,
    dataset_config: str | None = None,
) -> Iterator[Example]:
    """Return the examples of a data set, in the same order whenever it is read.

    Args:
        data: a folder, WebDataset shards (paths or URLs that end in .tar, with {000..099} or *), or a hub data set.
        read_row: returns the targets of a row as texts.
        read_group: returns what keeps rows in one split together.
        read_columns: returns the columns that hold a row's targets.
        sound_column: column with a file, bytes, or the Audio feature of `datasets`; None for one of the usual ones.
        dataset_config: configuration of a hub data set that has several.

    Raises:
        InputError: there is no such data, or its rows have no recording.
    """
    folder = Path(data)
    rows = RowReader(read_row, read_group, read_columns, (sound_column,) if sound_column else SOUND_COLUMNS)
    if data.endswith(TAR_SUFFIXES):
        return read_shards(data, rows)
    if folder.is_file():
        raise InputError(f"data must be a folder, shards (.tar) or the name of a data set; {data} is a file")
    lists = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(lists) > 1:
        raise InputError(f"{data} has both {' and '.join(METADATA)}; remove one")
    if lists:
        return read_metadata(lists[0], rows)
    if folder.is_dir() and not is_saved_dataset(folder):
        recordings = recordings_in(folder)
        if recordings:
            return read_folder(recordings, folder, rows)
    return read_hf_dataset(data, rows, dataset_config)


def fingerprint(data: str, dataset_config: str | None = None) -> str:
    """Return a text that changes when a data set does.

    It depends on names, sizes and times of files, or on the version of a hub data set. Files outside of the folder that
    a list names are not looked at.
    """
    path = Path(data)
    if path.is_dir():
        files = sorted(path.rglob("*"))
    elif data.endswith(TAR_SUFFIXES):
        files = [Path(each) for each in expand_shards(data)]
    else:
        return f"{data}/{dataset_config}/{hub_version(data)}"
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return f"{data}: {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]}"
