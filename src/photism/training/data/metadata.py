"""Reader of a folder with metadata.csv or metadata.jsonl, which has a row a recording."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.training.data.example import Example, RowReader, checked_row

METADATA = ("metadata.csv", "metadata.jsonl")


def read_metadata(path: Path, rows: RowReader) -> Iterator[Example]:
    """Return the examples of a list. Rows of the same file and segment are one example with several texts.

    Raises:
        InputError: the file is not UTF-8, CSV or JSON lines, is empty, or puts an example in two splits.
    """
    merged: dict[tuple[Any, ...], Example] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        listed: Iterable[Mapping[str, Any]]
        if path.suffix == ".csv":
            listed = csv.DictReader(io.StringIO(text, newline=""))
        else:
            listed = [json.loads(line) for line in text.splitlines() if line.strip()]
        for row in map(checked_row, listed):
            example = rows.example(row, folder=path.parent)
            key = (example.name, example.start_s, example.end_s)
            before = merged.setdefault(key, example)
            splits = {before.split, example.split} - {None}
            if len(splits) > 1:
                raise InputError(f"{path} puts {example.name} in two splits; keep one")
            texts = tuple(dict.fromkeys(before.texts + example.texts))
            merged[key] = replace(before, texts=texts, split=next(iter(splits), None))
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be UTF-8 text; it cannot be read: {error}") from None
    if not merged:
        raise InputError(f"{path} lists no recordings")
    return iter(merged.values())
