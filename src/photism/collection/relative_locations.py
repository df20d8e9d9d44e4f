"""Locations of a collection for those who may search it, but not know where on its machine it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from photism.collection.locations import shown
from photism.settings import SettingError

if TYPE_CHECKING:
    from lance import LanceDataset

LOCATION = "location"
IS_URL = "location LIKE '%://%'"
TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*|"[^"]+"|`[^`]+`)|
    (?P<sign><=|>=|<>|!=|[=<>(),-]))""",
    re.VERBOSE,
)
WORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL", "BETWEEN", "TRUE", "FALSE"})
MAX_TOKENS = 200
MAX_DEPTH = 10


@dataclass(frozen=True)
class RelativeLocations:
    """The folder that all files of a collection have in common, and the beginning of all its URLs.

    Attributes:
        roots: these two; "" where there are no files, or no URLs.
    """

    roots: tuple[str, str]

    @classmethod
    def of(cls, dataset: LanceDataset) -> RelativeLocations:
        """Return those of a table with the column `location`."""
        return cls((_common_root(dataset, f"NOT {IS_URL}"), _common_root(dataset, IS_URL)))

    def shown(self, location: str) -> str:
        """Return a location without the folder that all have in common, as a line of text."""
        root = self.roots["://" in location]
        return shown(location.removeprefix(root))

    def condition(self, where: str) -> str:
        """Return a condition in which `location` is what `shown` returns, so that it does not reveal the folder.

        It compares columns with values only: functions and deeply nested expressions may take any memory and time.

        Raises:
            SettingError: it has something else.
        """
        tokens = list(_tokens(where))
        depth = 0
        for (kind, text), (_, following) in pairwise([*tokens, ("", "")]):
            depth += {"(": 1, ")": -1}.get(text, 0)
            if depth > MAX_DEPTH or len(tokens) > MAX_TOKENS:
                raise SettingError("where", f"must have at most {MAX_TOKENS} words, and {MAX_DEPTH} nested parentheses")
            if kind == "name" and following == "(" and text.upper() not in WORDS:
                raise SettingError("where", f"must compare columns with values, without functions; got {text}")
        roots = "|".join(re.escape(each).replace("'", "''").replace("\\ ", " ") for each in self.roots if each)
        relative = f"regexp_replace({LOCATION}, '^({roots})', '')" if roots else LOCATION
        return " ".join(relative if text.strip('"`').lower() == LOCATION else text for _, text in tokens)


def _tokens(where: str) -> list[tuple[str, str]]:
    """Return the words of a condition, each with its kind.

    Raises:
        SettingError: it has a sign that no comparison has.
    """
    found: list[tuple[str, str]] = []
    position, end = 0, len(where.rstrip())
    while position < end:
        match = TOKEN.match(where, position)
        if match is None:
            sign = where[position:].strip()[0]
            raise SettingError("where", f"must compare columns with values, such as duration_s < 5; got {sign!r}")
        found.append((match.lastgroup or "", match[0].strip()))
        position = match.end()
    return found


def _common_root(dataset: LanceDataset, condition: str) -> str:
    """Return the folder in which all locations are that satisfy a condition, with a slash at its end."""
    from pyarrow import compute

    ends: list[str] = []
    for batch in dataset.to_batches(columns=[LOCATION], filter=condition):
        if batch.num_rows:
            found = compute.call_function("min_max", [batch.column(0)]).as_py()
            ends += [found["min"], found["max"]]
    first, last = (min(ends), max(ends)) if ends else ("", "")  # whose common beginning is that of all
    common = "".join(each for each, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    return common[: max(common.rfind("/"), common.rfind(os.sep)) + 1]
