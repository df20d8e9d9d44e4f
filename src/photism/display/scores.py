"""Lists of scored classes and captions that show themselves as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from photism.display.markup import MAX_ROWS, NOTHING, block, limit_note, note, score_bar, table, text
from photism.display.short_repr import MAX_LENGTH, shortened

Scored = TypeVar("Scored", bound=Mapping[str, Any])

MAX_RANKINGS = 20
"""Number of recordings whose tables are shown."""


class Ranking(list[Scored]):
    """Classes or captions with their scores, best first, as dictionaries.

    It is a list, as the pipelines of transformers return, and equal to one.
    """

    def __repr__(self) -> str:
        """Return the best of them in one line."""
        best = ", ".join(f"{_name(each)!r} {each['score']:.3f}" for each in self[:MAX_ROWS])
        return shortened(f"{type(self).__name__}({len(self):,}: {best})", MAX_LENGTH)

    def _repr_html_(self) -> str:
        return block(score_table(self))


class Rankings(list[Ranking[Scored]]):
    """The rankings of several recordings, in their order. It is a list, and equal to one."""

    def __repr__(self) -> str:
        """Return the best of each in one line."""
        best = ", ".join(repr(_name(each[0])) if each else "nothing" for each in self[:MAX_ROWS])
        return shortened(f"{type(self).__name__}({len(self):,}: {best})", MAX_LENGTH)

    def _repr_html_(self) -> str:
        shown = [score_table(each) for each in self[:MAX_RANKINGS]]
        if len(self) > 1:
            shown = [f"<div><b>Recording {number:,}</b></div>{each}" for number, each in enumerate(shown)]
        return block(*shown or [note(NOTHING)], note(limit_note(len(shown), len(self), "recordings")))


def score_table(scores: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of classes or captions, their scores and bars; a bar is as long as the score is within 0 to 1."""
    heading = "caption" if scores and "caption" in scores[0] else "label"
    rows = [[text(_name(each)), f"{each['score']:.3f}", score_bar(each["score"])] for each in scores[:MAX_ROWS]]
    return table([heading, "score", ""], rows, count=len(scores))


def _name(scored: Mapping[str, Any]) -> str:
    return str(scored["caption"] if "caption" in scored else scored["label"])
