"""The result of a check, as a row of a table and as an object of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: of the library, model or verb.
        works: whether it can be used.
        found: its version, its state, or the error.
        remedy: command that installs what is missing; None if it works.
    """

    name: str
    works: bool
    found: str
    remedy: str | None = None

    def __str__(self) -> str:
        """Return the check as the row of a table of 80 columns, with the remedy in a line of its own."""
        first, indent = f"{'ok' if self.works else 'no'}  {self.name:18}", " " * 22
        row = fill(self.found, 80, initial_indent=first, subsequent_indent=indent, break_long_words=False)
        return row if self.remedy is None else f"{row}\n{indent}{self.remedy}"


def one_line(error: BaseException | str) -> str:
    """Return the words of an error in one line, or its class if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
