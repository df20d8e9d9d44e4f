"""Text, JSON and CSV of what a search found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from photism.collection.locations import clock, is_missing, shown
from photism.collection.search import Hit
from photism.files import as_utf8
from photism.jobs.rows import json_value

CSV_COLUMNS = ("file", "start_s", "end_s", "score", "caption")


def format_hits(hits: Sequence[Hit], format: str) -> str:
    """Return hits as lines of text, as JSON objects, one per line, or as CSV with a header."""
    if format == "json":
        return "".join(f"{json.dumps(hit_fields(hit), ensure_ascii=False)}\n" for hit in hits)
    if format == "csv":
        rows = [(shown(hit.location), hit.start_s, hit.end_s, f"{hit.score:.6f}", caption(hit.row)) for hit in hits]
        return csv_text(CSV_COLUMNS, rows)
    return "".join(f"{line}\n" for line in map(_line, hits))


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return as_utf8(text.getvalue())


def hit_fields(hit: Hit) -> dict[str, Any]:
    """Return the JSON object of a hit: its file, segment and score, then the other columns of its row."""
    named = {"file": shown(hit.location), "start_s": hit.start_s, "end_s": hit.end_s, "score": round(hit.score, 6)}
    rest = {name: json_value(value) for name, value in hit.row.items() if name not in (*named, "location")}
    return named | rest


def caption(row: Mapping[str, Any]) -> str:
    """Return the best recognised caption of a row, or else its best label; "" if there is none."""
    if row.get("captions") and row.get("known") is not False:
        return str(row["captions"][0]["caption"])
    return str(row["labels"][0]["label"]) if row.get("labels") else ""


def segment(start_s: float, end_s: float | None) -> str:
    """Return the times of a segment; "" for a whole recording."""
    if end_s is None:
        return f"from {clock(start_s)}" if start_s else ""
    return f"{clock(start_s)} to {clock(end_s)}"


def _line(hit: Hit) -> str:
    missing = "(the file is missing)" if is_missing(hit.location) else ""
    parts = (f"{hit.score:6.3f}", shown(hit.location), segment(hit.start_s, hit.end_s), caption(hit.row), missing)
    return "  ".join(part for part in parts if part)
