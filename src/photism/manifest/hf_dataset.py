"""Data sets of `datasets`: saved to disk, in a folder of Parquet files, or on the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from photism.errors import InputError
from photism.extras import missing
from photism.hub import did_you_mean, is_path
from photism.hub_errors import describe_hub_error
from photism.manifest.columns import SOUND_COLUMNS
from photism.manifest.entry import Entry
from photism.manifest.recognition import has_sound_suffix
from photism.manifest.table_listing import row_entry

HUB_TIMEOUT_S = 10.0
SAVED_FILES = ("dataset_dict.json", "state.json")
HUB_NAME = re.compile(r"(?P<data>(?P<owner>[\w.-]+)/[\w.-]+)(?::(?P<config>[\w.-]+))?(?:/(?P<split>[\w.-]+))?")


def is_saved_dataset(folder: Path) -> bool:
    """Return whether `datasets` has saved a data set to a folder."""
    return any((folder / name).is_file() for name in SAVED_FILES)


def open_splits(data: str, config: str | None = None) -> Mapping[str, Any]:
    """Open a data set, streamed unless `datasets` has saved it to disk.

    Args:
        data: hub id, folder of a saved data set, or folder that `datasets` can load.
        config: configuration of a hub data set that has several.

    Returns:
        the splits by their names; "" is the name of a saved split.

    Raises:
        InputError: datasets is not installed, or cannot load the data set.
    """
    try:
        import datasets
    except ImportError:
        raise missing("datasets", "reading a data set", "collection") from None
    if is_path(data) and not Path(data).exists():
        raise InputError(f"data {data}: no such file or folder{did_you_mean(data)}")
    try:
        if is_saved_dataset(Path(data)):
            loaded: Any = datasets.load_from_disk(data)
        else:
            if not Path(data).exists():
                check_hub(data)
            loaded = datasets.load_dataset(data, config, streaming=True)
    except Exception as error:  # datasets raises dozens of kinds of errors
        reason = describe_hub_error(error, f"datasets/{data}") or str(error).partition("\n")[0]
        is_no_folder = "" if Path(data).exists() else f" is no folder{did_you_mean(data)} and"
        raise InputError(f"data {data}{is_no_folder} cannot be loaded as a data set: {reason}") from error
    return cast("Mapping[str, Any]", loaded) if isinstance(loaded, Mapping) else {"": loaded}


def check_hub(data: str) -> None:
    """Ask the hub once whether it has a data set, where `datasets` tries for half a minute without a connection.

    Raises:
        InputError: there is none, or the hub cannot be reached, with its reason.
    """
    try:
        from datasets import config
        from huggingface_hub import HfApi
    except ImportError:
        return  # `open_splits` says what to install
    if config.HF_HUB_OFFLINE:
        return
    try:
        HfApi(endpoint=config.HF_ENDPOINT).dataset_info(data, timeout=HUB_TIMEOUT_S)
    except Exception as error:  # of HTTP, of the hub and of connections
        reason = describe_hub_error(error, f"datasets/{data}")
        if reason is None:
            raise
        raise InputError(reason) from error


def undecoded(data: Any) -> tuple[Any, list[str]]:
    """Return a split without decoding its recordings, for which `datasets` needs FFmpeg, and the columns of these."""
    from datasets import Audio

    sounds = [name for name, feature in (data.features or {}).items() if isinstance(feature, Audio)]
    for column in sounds:
        data = data.cast_column(column, Audio(decode=False))
    return data, sounds


def class_features(data: Any) -> Mapping[str, Any]:
    """Return the features of the columns of a split that hold classes, or lists of them, by their names."""
    from datasets import ClassLabel

    items = {name: getattr(feature, "feature", feature) for name, feature in (data.features or {}).items()}  # of a list
    return {name: feature for name, feature in items.items() if isinstance(feature, ClassLabel)}


def class_names(feature: Any, numbers: Any) -> list[str]:
    """Return the names of a class number or a list of them; a number below 0 means that there is none."""
    given = numbers if isinstance(numbers, list) else [numbers]
    return [feature.int2str(number) for number in given if number is not None and number >= 0]


@dataclass(frozen=True)
class DatasetListing:
    """Recordings of a data set, whose locations are "data set/split/17", counted from 0.

    Attributes:
        data: hub id or folder.
        config: configuration of a hub data set that has several.
        split: split that is read; None for all.
    """

    data: str
    config: str | None = None
    split: str | None = None

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each row, with a problem for a row without a recording."""
        for split, data in self.splits().items():
            yield from split_entries(data, self.data, split)

    def count(self) -> int | None:
        """Return the number of rows; None if the data set is streamed and does not say."""
        counts = [_row_count(split, data) for split, data in self.splits().items()]
        return None if None in counts else sum(filter(None, counts))

    def splits(self) -> Mapping[str, Any]:
        """Return the splits that are read, by their names.

        Raises:
            InputError: there is no such split, or as in `open_splits`.
        """
        splits = open_splits(self.data, self.config)
        if self.split is None:
            return splits
        if self.split not in splits:
            raise InputError(f"{self.data} has no split {self.split}; it has {', '.join(splits)}")
        return {self.split: splits[self.split]}


def split_entries(data: Any, place: str, split: str) -> Iterator[Entry]:
    """Yield an entry for each row of a split, with a problem for a row without a recording.

    Args:
        data: split of `datasets`.
        place: hub id or folder of the data set.
        split: name of the split, or "".
    """
    rows, sounds = undecoded(data)
    for index, row in enumerate(rows):
        yield _entry(row, class_features(rows), sounds, place, f"{split}/{index}" if split else str(index))


def entry_of_row(location: str) -> Entry | None:
    """Return the entry at a location such as "data set/split/17"; None if there is no such row.

    Raises:
        InputError: the data set cannot be loaded.
    """
    place, _, number = location.rpartition("/")
    listing = parse_dataset(place)
    if listing is None:
        return None
    for split, data in listing.splits().items():
        rows, sounds = undecoded(data)
        name = f"{split}/{number}" if split else number
        if hasattr(rows, "__len__") and int(number) >= len(rows):  # at which skip raises an error
            return None
        row = next(iter(rows.skip(int(number))), None)
        return None if row is None else _entry(row, class_features(rows), sounds, listing.data, name)
    return None


def _entry(row: Mapping[str, Any], classes: Mapping[str, Any], sounds: Sequence[str], place: str, name: str) -> Entry:
    """Return the entry of a row.

    Args:
        row: the row, with numbers of classes.
        classes: features of the columns with classes.
        sounds: columns with recordings.
        place: hub id or folder of the data set.
        name: split and number of the row.
    """
    location = f"{place}/{name}"
    named = {column: _class_value(classes[column], row[column]) for column in classes}
    entry = row_entry({**row, **named}, location, name, place, (*sounds, *SOUND_COLUMNS))
    if entry.location != location or os.path.isdir(place):
        return entry  # a row may name a file, which is then the location
    return replace(entry, absolute_location=location)


def parse_dataset(given: str) -> DatasetListing | None:
    """Return the data set that an argument names, if it may be one: a folder of it, a hub id, or a split of these.

    A hub id is owner/name, after which :configuration and /split may follow. A path in a folder that exists is none.
    """
    folder = Path(given)
    if folder.is_dir():
        return DatasetListing(given) if is_dataset_folder(folder) else None
    if folder.parent != Path() and is_dataset_folder(folder.parent):
        return DatasetListing(str(folder.parent), split=folder.name)
    named = HUB_NAME.fullmatch(given)
    if named is None or os.path.exists(named["owner"]) or has_sound_suffix(folder.name) is not None:
        return None
    return DatasetListing(named["data"], named["config"], named["split"])


def is_dataset_folder(folder: Path) -> bool:
    """Return whether a folder is a data set: saved by `datasets`, or with Parquet files in it or in its folders."""
    parquet = chain(folder.glob("*.parquet"), folder.glob("*/*.parquet"))
    return is_saved_dataset(folder) or next(parquet, None) is not None


def _class_value(feature: Any, numbers: Any) -> str | list[str] | None:
    names = class_names(feature, numbers)
    return names if isinstance(numbers, list) else next(iter(names), None)


def _row_count(name: str, data: Any) -> int | None:
    if hasattr(data, "__len__"):
        return len(data)
    known = (data.info.splits or {}).get(name)
    return None if known is None else known.num_examples
