"""Reader of WebDataset shards: files of one key are one recording and its .txt (a text a line), .json or .cls."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator, Mapping
from tarfile import TarError
from typing import Any

from photism.errors import InputError
from photism.manifest.recognition import SOUND_SUFFIXES
from photism.manifest.tables import checked_row
from photism.training.data.example import Example, RowReader

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def expand_shards(pattern: str) -> list[str]:
    """Return the paths or URLs of a pattern with * or {000..099}.

    Raises:
        InputError: webdataset is not installed.
    """
    try:
        from webdataset.shardlists import expand_urls
    except ImportError:
        raise InputError("reading WebDataset shards needs webdataset: pip install 'photism[train]'") from None
    return sorted(glob.glob(pattern)) if "*" in pattern else expand_urls(pattern)


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
    row: dict[str, Any] = {"audio": None}
    for suffix, content in files.items():
        if suffix.rpartition(".")[2].lower() in SOUND_SUFFIXES:
            row["audio"] = content
        elif suffix in ("txt", "text", "caption"):
            row["text"] = [line for line in content.decode("utf8").split("\n") if line.strip()]
        elif suffix == "cls":
            row["label"] = content.decode("utf8").strip()
        elif suffix == "json":
            row = {**checked_row(json.loads(content)), **row}
    return {**row, "name": files["__key__"]}
