"""Conditions on the columns of an index, in SQL, and what is wrong with one that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photism.errors import InputError

if TYPE_CHECKING:
    from lance import LanceDataset

SOURCE_LINE = re.compile(r",? *\S+\.rs:\d+:\d+")
"""Place in Lance's own source, at the end of its messages."""
FAULTS = re.compile(
    "Invalid user input|Schema error|filter expression|Cast error|Parser error|Divide by zero|Arithmetic overflow"
)
"""What Lance says of a condition, and of nothing that is wrong with its files, the disk or the memory."""
PREAMBLE = re.compile(r"^((Invalid user input|Schema error|External error|Query Execution error): *)+")


def check_where(dataset: LanceDataset, where: str | None) -> None:
    """Check a condition against the columns of a table, without reading a row.

    Args:
        dataset: the table.
        where: condition in the SQL of DataFusion, such as "duration_s < 5"; None for all rows.

    Raises:
        InputError: it is not SQL, names a column that does not exist, or compares values of different kinds.
    """
    if where is not None:
        with explain_where(dataset, where):
            dataset.scanner(filter=where).explain_plan()


@contextmanager
def explain_where(dataset: LanceDataset, where: str | None) -> Generator[None]:
    """Turn what Lance raises at a condition into one line that names the columns; other errors are raised as they are.

    Raises:
        InputError: the condition cannot be used, or fails at the value of a row.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        if where is None or isinstance(error, InputError) or not FAULTS.search(str(error)):
            raise
        reason = PREAMBLE.sub("", SOURCE_LINE.sub("", " ".join(str(error).split()))).rstrip(". ")
        types = [(each.name, re.sub("<.*", "", str(each.type))) for each in dataset.schema if each.name != "vector"]
        columns = ", ".join(f"{name} ({kind})" for name, kind in types)
        reason += "" if reason.endswith("?") else "."
        raise InputError(f"--where {where!r} cannot be used: {reason} The columns are {columns}") from error
