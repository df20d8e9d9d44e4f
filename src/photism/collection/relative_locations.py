"""Locations of a collection for those who may search it, but not know where on its machine it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from photism.collection.location_roots import LOCATION, find_roots
from photism.collection.locations import shown
from photism.settings import SettingError

if TYPE_CHECKING:
    from lance import LanceDataset

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
    """Names of the recordings of a collection without the folders that they are below.

    Attributes:
        roots: beginnings of locations that are left out, longest first, each with what is shown in its place.
    """

    roots: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, dataset: LanceDataset) -> RelativeLocations:
        """Return those of a table with the column `location`."""
        return cls(find_roots(dataset))

    def shown(self, location: str) -> str:
        """Return the name of a location as a line of text."""
        for root, name in self.roots:
            if location.startswith(root):
                return shown(name + location.removeprefix(root))
        return shown(location)

    def condition(self, where: str) -> str:
        """Return a condition in which `location` is what `shown` returns, so that it does not reveal a folder.

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
        relative = LOCATION
        for root, name in self.roots:  # what is left after a root does not begin with another one
            pattern = re.escape(root).replace("'", "''").replace("\\ ", " ")
            relative = f"regexp_replace({relative}, '^{pattern}', '{name}')"
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
