"""Text, JSON and CSV of near-duplicates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from photism.collection.duplicates import Duplicate, DuplicateGroup
from photism.collection.hit_formats import csv_text, segment
from photism.collection.locations import shown
from photism.collection.search import Hit

CSV_COLUMNS = ("group", "keep", "file", "start_s", "end_s", "similarity", "identical")


def format_duplicates(groups: Sequence[DuplicateGroup], format: str) -> str:
    """Return groups as text, as JSON objects, one per line, or as CSV with a header and a row for each recording."""
    if format == "json":
        return "".join(f"{json.dumps(_group_fields(group), ensure_ascii=False)}\n" for group in groups)
    if format == "csv":
        return csv_text(
            CSV_COLUMNS, [row for number, group in enumerate(groups, 1) for row in _csv_rows(number, group)]
        )
    count = sum(len(group.duplicates) for group in groups)
    lines = [line for group in groups for line in _lines(group)]
    words = f"{_counted(count, 'duplicate')} of {_counted(len(groups), 'recording')}"
    return "".join(f"{line}\n" for line in [*lines, words if groups else "no near-duplicates"])


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _lines(group: DuplicateGroup) -> list[str]:
    return [
        f"keep       {_named(group.keep)}",
        *(f"{_kind(each):9}  {_named(each.found)}" for each in group.duplicates),
    ]


def _kind(duplicate: Duplicate) -> str:
    """Return in which way a recording is a duplicate: the same bytes, or how similar."""
    if duplicate.is_identical and duplicate.found.end_s is None:
        return "identical"
    return f"{duplicate.found.score:.3f}"


def _named(hit: Hit) -> str:
    return "  ".join(filter(None, (shown(hit.location), segment(hit.start_s, hit.end_s))))


def _group_fields(group: DuplicateGroup) -> dict[str, Any]:
    return {"keep": _place(group.keep), "duplicates": [_fields(each) for each in group.duplicates]}


def _fields(duplicate: Duplicate) -> dict[str, Any]:
    fields = _place(duplicate.found)
    if duplicate.original.end_s is not None:
        fields |= {"original_start_s": duplicate.original.start_s, "original_end_s": duplicate.original.end_s}
    return fields | {"similarity": round(duplicate.found.score, 4), "identical": duplicate.is_identical}


def _place(hit: Hit) -> dict[str, Any]:
    return {"file": shown(hit.location), "start_s": hit.start_s, "end_s": hit.end_s}


def _csv_rows(number: int, group: DuplicateGroup) -> list[tuple[object, ...]]:
    keep = group.keep
    rows: list[tuple[object, ...]] = [(number, "yes", shown(keep.location), keep.start_s, keep.end_s, "", "")]
    for each in group.duplicates:
        fields = _fields(each)
        identical = "yes" if each.is_identical else "no"
        numbers = (fields["start_s"], fields["end_s"], fields["similarity"])
        rows.append((number, "no", fields["file"], *numbers, identical))
    return rows
