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
    "|Not supported|: Execution error: "
)
"""What Lance says of a condition, and of nothing that is wrong with its files, the disk or the memory."""
NO_COLUMN = "photism_end_of_condition"
"""A column that no table has: Lance names it in a message once it has read all of the condition before it."""
PREAMBLE = re.compile(
    r"^((Invalid user input|Schema error|External error|(Query )?Execution error|Not supported"
    r"|This feature is not implemented): *)+"
)


def check_where(dataset: LanceDataset, where: str | None) -> None:
    """Check a condition against the columns of a table, without reading a row.

    Args:
        dataset: the table.
        where: condition in the SQL of DataFusion, such as "duration_s < 5"; None for all rows.

    Raises:
        InputError: it is not SQL, goes on after its end, names a column that does not exist, or compares values of
            different kinds.
    """
    if where is not None:
        with explain_where(dataset, where):
            dataset.scanner(filter=where).explain_plan()
        if not _is_read_whole(dataset, where):
            reason = "something follows the condition that is not part of it; join conditions by AND or OR."
            raise _unusable(dataset, where, reason)


def _is_read_whole(dataset: LanceDataset, where: str) -> bool:
    """Return whether Lance reads a condition to its end; it ignores what follows a whole condition."""
    try:
        dataset.scanner(filter=f"{where}\nAND {NO_COLUMN}").explain_plan()
    except (ValueError, OSError, RuntimeError) as error:
        return NO_COLUMN in str(error)
    return False


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
        reason += "" if reason.endswith("?") else "."
        raise _unusable(dataset, where, reason) from error


def _unusable(dataset: LanceDataset, where: str, reason: str) -> InputError:
    types = [(each.name, re.sub("<.*", "", str(each.type))) for each in dataset.schema if each.name != "vector"]
    columns = ", ".join(f"{name} ({kind})" for name, kind in types)
    return InputError(f"--where {where!r} cannot be used: {reason} The columns are {columns}")
