"""Read a data set of whatever format, and detect whether it has changed.

metadata.csv, .tsv or .jsonl    a row a recording: file, text or labels, optionally split and start and end seconds
clips, train.tsv, …             Common Voice, LJSpeech, LibriSpeech or MLS as they are unpacked
wav.scp, text, …                a Kaldi data folder
train/dog/1.wav                 recordings in folders that are named like labels, perhaps in those of splits
sounds.lance, sounds.parquet    a row a recording, in any columns
shard-{000..099}.tar            WebDataset
name or path                    whatever `datasets.load_dataset` or `load_from_disk` reads, streamed
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from photism.errors import InputError
from photism.manifest.columns import NO_COLUMNS, SOUND_COLUMNS
from photism.manifest.hf_dataset import is_saved_dataset
from photism.manifest.shards import TAR_SUFFIXES, expand_shards
from photism.training.data.arrow_data import is_arrow_data, read_arrow_data, version_of
from photism.training.data.example import DataSource, Example, ListedRow, ReadColumns, ReadGroup, ReadRow, RowReader
from photism.training.data.folder import read_folder, recordings_in
from photism.training.data.hf_datasets import hub_version, read_hf_dataset
from photism.training.data.kaldi import FILES, find_kaldi, read_kaldi
from photism.training.data.metadata import find_metadata, merge_rows, read_metadata
from photism.training.data.report import first_names
from photism.training.data.speech_corpora import (
    find_common_voice,
    find_librispeech,
    find_ljspeech,
    find_mls,
    read_common_voice,
    read_librispeech,
    read_ljspeech,
    read_mls,
)
from photism.training.data.stratified import choose_examples, stream_notes
from photism.training.data.webdataset import read_shards

READERS_VERSION = 3
"""Part of the key of prepared data: raise it when a reader returns other examples of the same files."""
LIST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".scp"})

FindLists: TypeAlias = "Callable[[Path], list[Path]]"
ReadLists: TypeAlias = "Callable[[Sequence[Path]], Iterable[ListedRow]]"


def read_examples(
    data: str,
    read_row: ReadRow,
    *,
    read_group: ReadGroup = lambda row: None,
    read_columns: ReadColumns = lambda row: NO_COLUMNS,
    sound_column: str | None = None,
    named_columns: Sequence[str] = (),
    dataset_config: str | None = None,
    limit: int | None = None,
) -> DataSource:
    """Return the examples of a data set, in the same order whenever it is read.

    Args:
        data: a folder, a Lance data set, a Parquet file, WebDataset shards (paths or URLs that end in .tar, with
            {000..099} or *), or a hub data set.
        read_row: returns the targets of a row as texts.
        read_group: returns what keeps rows in one split together.
        read_columns: returns the columns that hold a row's targets.
        sound_column: column with a file, bytes, or the Audio feature of `datasets`; None for one of the usual ones.
        named_columns: other columns that settings name.
        dataset_config: configuration of a hub data set that has several.
        limit: number of examples to choose, from all splits and classes; the first ones of a stream.

    Raises:
        InputError: there is no such data, or its rows have no recording.
    """
    folder = Path(data)
    rows = RowReader(read_row, read_group, read_columns, (sound_column,) if sound_column else SOUND_COLUMNS)
    if data.endswith(TAR_SUFFIXES):
        return DataSource(read_shards(data, rows), stream_notes(limit))
    if is_arrow_data(data):
        named = (*named_columns, sound_column) if sound_column else named_columns
        return read_arrow_data(data, rows, named_columns=named, limit=limit)
    if folder.is_file():
        raise InputError(
            "data must be a folder, a Lance data set, a Parquet file, shards (.tar) or the name of a data set; "
            f"{data} is another file"
        )
    source = _read_lists(folder, rows)
    if source is None and folder.is_dir() and not is_saved_dataset(folder):
        recordings = recordings_in(folder)
        if recordings:
            source = DataSource(list(read_folder(recordings, folder, rows)), _unread_lists(folder, ()))
    if source is None:
        return read_hf_dataset(data, rows, dataset_config, limit=limit)
    examples = list(source.examples)
    return DataSource([examples[index] for index in choose_examples(examples, limit)], source.notes)


def _read_lists(folder: Path, rows: RowReader) -> DataSource | None:
    """Return the examples of the lists in a folder, or None if it has none of a known format."""
    if not folder.is_dir():
        return None
    formats: list[tuple[FindLists, ReadLists]] = [
        (find_common_voice, read_common_voice),
        (find_kaldi, read_kaldi),
        (find_ljspeech, read_ljspeech),
        (find_metadata, partial(read_metadata, folder=folder)),
        (find_librispeech, read_librispeech),
        (find_mls, read_mls),
    ]
    for find, read in formats:
        lists = find(folder)
        if lists:
            examples = merge_rows(read(lists), rows, folder)
            if not examples:
                raise InputError(f"{', '.join(map(str, lists))} lists no recordings")
            return DataSource(examples, [*_unread_lists(folder, lists), *_unlisted_recordings(folder, examples)])
    return None


def _unread_lists(folder: Path, lists: Sequence[Path]) -> list[str]:
    """Return a line on the files in a folder that look like lists and are not read, if there are any."""
    known = {path for path in lists if path.parent == folder} | {folder / name for name in FILES if lists}
    others = sorted(
        path.name for path in folder.iterdir() if path.suffix.lower() in LIST_SUFFIXES and path not in known
    )
    read = (
        f"the data are read from {', '.join(sorted(path.name for path in known if path in lists))}; " if known else ""
    )
    return [f"{read}these lists are not read{first_names(others)}"] if others else []


def _unlisted_recordings(folder: Path, examples: Sequence[Example]) -> list[str]:
    """Return a line on the recordings in a folder that its lists do not name, if there are any."""
    listed = {os.path.normpath(example.sound) for example in examples if isinstance(example.sound, Path)}
    names = [str(path.relative_to(folder)) for path in recordings_in(folder) if os.path.normpath(path) not in listed]
    return [f"{len(names)} recordings are not in the lists and are not read{first_names(names)}"] if names else []


def fingerprint(data: str, dataset_config: str | None = None) -> str:
    """Return a text that changes when a data set does.

    It depends on names, sizes and times of files, or on the version of a hub data set. Files outside of the folder that
    a list names are not looked at.
    """
    path = Path(data)
    if is_arrow_data(data):
        return version_of(data)
    if path.is_dir():
        files = sorted(path.rglob("*"))
    elif data.endswith(TAR_SUFFIXES):
        files = [Path(each) for each in expand_shards(data)]
    else:
        return f"{data}/{dataset_config}/{hub_version(data)}"
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return f"{data}: {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]}"
