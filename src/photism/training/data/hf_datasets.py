"""Reader of data sets of the Hugging Face hub, streamed, and of those that `datasets` has saved to disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from photism.hub_errors import describe_hub_error
from photism.manifest.columns import is_missing
from photism.manifest.hf_dataset import class_features, class_names, is_saved_dataset, open_splits, undecoded
from photism.training.data.example import DataSource, Example, RowReader, split_of_folder
from photism.training.data.report import first_names
from photism.training.data.stratified import stratified_choice, stream_notes


def read_hf_dataset(data: str, rows: RowReader, config: str | None, *, limit: int | None = None) -> DataSource:
    """Return the examples of a data set. If some of its splits are known ones, the others are not read.

    Args:
        data: hub id, or folder of a saved data set.
        rows: how its rows become examples.
        config: configuration of a hub data set that has several.
        limit: number of examples to choose from a saved data set, from all its splits and classes.

    Raises:
        InputError: datasets is not installed, or cannot load the data set.
    """
    splits = open_splits(data, config)
    known = {name: split for name, split in splits.items() if split_of_folder(name)}
    others = sorted(name for name in splits if known and name not in known)
    notes = [f"these splits are not read{first_names(others)}"] if others else []
    named = [_NamedSplit(split, name if known else "") for name, split in (known or splits).items()]
    if limit is not None and is_saved_dataset(Path(data)):
        named = _limited(named, rows, limit)
    else:
        notes += stream_notes(limit)
    return DataSource(chain.from_iterable(split.read(rows) for split in named), notes)


def hub_version(data: str) -> str | None:
    """Return the commit of a hub data set, or None if the hub cannot be reached."""
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(data).sha
    except Exception as error:  # of the HTTP library, which changes with the version of huggingface_hub
        if describe_hub_error(error, data) is None:
            raise
        return None


class _NamedSplit:
    """A split of a data set, whose rows carry its name and the names of classes.

    Attributes:
        data: its rows, with recordings that are not decoded.
        numbers: numbers of these rows within the split.
    """

    def __init__(self, data: Any, name: str) -> None:
        self.data, self.sounds = undecoded(data)
        self.classes = class_features(self.data)
        self.name = name
        self.numbers: Iterable[int] = count()

    def rows(self, data: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield rows; their own split and name take precedence, unless they are missing."""
        for index, row in zip(self.numbers, data, strict=False):
            classes = {name: class_names(feature, row[name]) for name, feature in self.classes.items()}
            own = {"split": self.name} if is_missing(row.get("split")) else {}
            named = {"name": f"{self.name}/{index}"} if is_missing(row.get("name")) else {}
            yield {**row, **classes, **own, **named}

    def read(self, rows: RowReader) -> Iterator[Example]:
        """Yield the examples of the split."""
        return map(rows.example, self.rows(self.data))


def _limited(splits: list[_NamedSplit], rows: RowReader, limit: int) -> list[_NamedSplit]:
    """Return saved splits with some of their rows, chosen without reading recordings."""
    strata = [
        (str(row["split"]), rows.read_row(row))
        for split in splits
        for row in split.rows(split.data.remove_columns(split.sounds))
    ]
    chosen, start = set(stratified_choice(strata, limit)), 0
    for split in splits:
        stop = start + len(split.data)
        split.numbers = [index - start for index in range(start, stop) if index in chosen]
        split.data = split.data.select(split.numbers)
        start = stop
    return splits
