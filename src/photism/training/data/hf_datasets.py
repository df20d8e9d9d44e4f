"""Reader of data sets of the Hugging Face hub, streamed, and of those that `datasets` has saved to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.training.data.example import Example, RowReader

SAVED_FILES = ("dataset_dict.json", "state.json")


def is_saved_dataset(folder: Path) -> bool:
    """Return whether `datasets` has saved a data set to a folder."""
    return any((folder / name).is_file() for name in SAVED_FILES)


def read_hf_dataset(data: str, rows: RowReader, config: str | None) -> Iterator[Example]:
    """Return the examples of a data set.

    Args:
        data: hub id, or folder of a saved data set.
        rows: how its rows become examples.
        config: configuration of a hub data set that has several.

    Raises:
        InputError: datasets is not installed, or cannot load the data set.
    """
    try:
        import datasets
    except ImportError:
        raise InputError("reading a data set needs datasets: pip install 'photism[train]'") from None
    try:
        if is_saved_dataset(Path(data)):
            loaded: Any = datasets.load_from_disk(data)
        else:
            loaded = datasets.load_dataset(data, config, streaming=True)
    except Exception as error:  # datasets raises dozens of kinds of errors
        reason = str(error).partition("\n")[0]
        raise InputError(f"data must be a folder of recordings or a data set; cannot load {data}: {reason}") from None
    splits: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"": loaded}
    return chain.from_iterable(_read_split(split, name, rows) for name, split in splits.items())


def hub_version(data: str) -> str | None:
    """Return the commit of a hub data set, or None if the hub cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        return HfApi().dataset_info(data).sha
    except (HFValidationError, OSError):
        return None


def _read_split(data: Any, split: str, rows: RowReader) -> Iterator[Example]:
    from datasets import Audio, ClassLabel

    features: Mapping[str, Any] = data.features or {}
    for name, feature in features.items():
        if isinstance(feature, Audio):  # decoded by Photism: datasets would need FFmpeg on the system
            data = data.cast_column(name, Audio(decode=False))
    items = {name: getattr(feature, "feature", feature) for name, feature in features.items()}  # of a list, its items
    classes = {name: feature for name, feature in items.items() if isinstance(feature, ClassLabel)}
    for index, row in enumerate(data):
        named = {**row, **{name: _class_names(feature, row[name]) for name, feature in classes.items()}}
        # A row's own split and name take precedence, unless they are null.
        own = {"split": named.get("split") or split, "name": named.get("name") or f"{split}/{index}"}
        yield rows.example({**named, **own})


def _class_names(feature: Any, numbers: Any) -> list[str]:
    """Return the names of a class number or a list of them; a number below 0 means that there is none."""
    given = numbers if isinstance(numbers, list) else [numbers]
    return [feature.int2str(number) for number in given if number is not None and number >= 0]
