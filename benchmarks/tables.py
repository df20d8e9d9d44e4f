"""Tables of the records of a benchmark, in Markdown."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

COMPARED = {"case", "side", *(f"{name}{end}" for name in ("s", "MB", "ratio") for end in ("", "_min", "_max"))}
"""What the records of a comparison have."""

Record = dict[str, Any]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"|{'|'.join(f' {cell} ' if cell != '---' else cell for cell in line)}|\n" for line in lines)


def number(value: float, name: str = "") -> str:
    """Return a figure as text: counts in full, per cent with one decimal, others with the digits that were recorded.

    At most three of them are shown.
    """
    if name.endswith("%"):
        return f"{value:.1f}"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    recorded = len(re.sub(r"^[-0.]+|\.", "", str(value)))
    return f"{value:#.{min(3, recorded) or 1}g}".removesuffix(".")


def cell(record: Record, name: str) -> str:
    """Return a figure of a record, with the range of its runs if that is known; empty if the record has none."""
    value, least, most = (record.get(f"{name}{suffix}") for suffix in ("", "_min", "_max"))
    extremes = "" if least is None or most is None else f"{number(least, name)} to {number(most, name)}"
    if value is None:
        return extremes
    return f"{number(value, name)} ({extremes})" if extremes else number(value, name)


def plain_table(records: Sequence[Record]) -> str:
    """Return a table with a row for each record, and a column for each figure."""
    keys = [key for record in sorted(records, key=len, reverse=True) for key in record]  # the fullest sets the order
    names = dict.fromkeys(re.sub("_(min|max)$", "", key) for key in keys if key not in ("case", "side"))
    rows = [
        [", ".join(filter(None, (each["case"], each.get("side")))), *(cell(each, name) for name in names)]
        for each in records
    ]
    return markdown_table(["", *names], rows)


def compared_table(records: Sequence[Record]) -> str:
    """Return a table with a row for each side that Photism is compared with in a case."""
    cases: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        cases[record["case"]].append(record)
    rows: list[list[str]] = []
    for case, sides in cases.items():
        ours = next((each for each in sides if each["side"].startswith("Photism") and "ratio" not in each), {})
        peers = [each for each in sides if each is not ours] or [{}]
        for peer in peers:
            values = [cell(ours, "s"), peer.get("side", ""), cell(peer, "s"), cell(peer, "ratio")]
            rows.append([case, *values, cell(ours, "MB"), cell(peer, "MB")])
    head = ["", "Photism, s", "compared with", "s", "ratio", "Photism, MB", "MB"]
    kept = [column for column in range(len(head)) if column == 0 or any(row[column] for row in rows)]
    return markdown_table([head[column] for column in kept], [[row[column] for column in kept] for row in rows])


def table(records: Sequence[Record]) -> str:
    """Return the table that shows records best: sides next to each other if their times were compared."""
    is_compared = all("side" in each and each.keys() <= COMPARED for each in records)
    return compared_table(records) if is_compared else plain_table(records)
