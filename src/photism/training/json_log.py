"""Lines of JSON, each with its step: losses and measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from photism.files import atomic_text


def append(path: Path, step: int, values: Mapping[str, float]) -> None:
    """One line more."""
    with path.open("a", encoding="utf8") as file:
        file.write(json.dumps({"step": step, **values}) + "\n")


def read(path: Path) -> list[dict[str, float]]:
    """All lines that are whole."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def cut(path: Path, step: int) -> None:
    """Leaves out what came after a step, since it is to come again."""
    if path.is_file():
        rows = [row for row in read(path) if row["step"] <= step]
        with atomic_text(path) as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
