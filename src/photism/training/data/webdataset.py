"""Reader of WebDataset shards: files of one key are one recording and its .txt (a text a line), .json or .cls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from tarfile import TarError
from typing import Any

from photism.errors import InputError
from photism.manifest.recognition import SOUND_SUFFIXES
from photism.manifest.shards import TEXT_SUFFIXES, expand_shards, row_of_files
from photism.training.data.example import Example, RowReader


def read_shards(pattern: str, rows: RowReader) -> Iterator[Example]:
    """Return the examples of shards.

    Raises:
        InputError: there are no such shards.
    """
    urls = expand_shards(pattern)
    if not urls:
        raise InputError(f"data must be shards that exist; no file matches {pattern}")
    from webdataset import WebDataset  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]

    return _read(WebDataset(urls, shardshuffle=False, empty_check=False), pattern, rows)


def _read(shards: Iterable[Mapping[str, Any]], pattern: str, rows: RowReader) -> Iterator[Example]:
    try:
        yield from (rows.example(_row(files)) for files in shards)
    except (OSError, TarError, ValueError) as error:  # errors of Unicode and JSON are ValueErrors
        if isinstance(error, InputError):
            raise
        raise InputError(f"{pattern} must be complete shards with UTF-8 texts and JSON: {error}") from None


def _row(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the files with one key."""
    row: dict[str, Any] = {**row_of_files(files), "audio": None, "name": files["__key__"]}
    if any(suffix in TEXT_SUFFIXES for suffix in files):
        row["text"] = [line for line in row["text"].split("\n") if line.strip()]
    for suffix, content in files.items():
        if suffix.rpartition(".")[2].lower() in SOUND_SUFFIXES:
            row["audio"] = content
    return row
