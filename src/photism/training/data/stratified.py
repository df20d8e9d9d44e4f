"""Choose some examples of a data set where a setting limits them: from all of its splits and classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from photism.training.data.example import Example
from photism.training.data.feature_dataset import evenly_spaced


def choose_examples(examples: Sequence[Example], limit: int | None) -> Sequence[int]:
    """Return the indices of at most `limit` examples, from all splits and classes; of all for None."""
    if limit is None:
        return range(len(examples))
    return stratified_choice([(example.split, example.texts) for example in examples], limit)


def stream_notes(limit: int | None) -> list[str]:
    """Return a note that a limit takes the first rows of a stream, if there is a limit."""
    if limit is None:
        return []
    return [f"limit={limit} reads the first recordings of a stream, which may not be of all classes"]


def stratified_choice(strata: Sequence[tuple[str | None, tuple[str, ...]]], count: int) -> list[int]:
    """Return the indices of at most `count` examples, in their order.

    If there are no more classes than that, each is chosen at least once in each split, and the other examples are
    evenly spaced over the data. With more texts, such as transcripts, all examples are evenly spaced.

    Args:
        strata: split and targets of each example.
        count: number of examples.
    """
    seen: set[tuple[str | None, str]] = set()
    firsts: list[int] = []
    for index, (split, texts) in enumerate(strata):
        classes = {(split, text) for text in texts}
        if classes - seen:
            firsts.append(index)
            seen |= classes
    by_split = sorted(range(len(strata)), key=lambda index: str(strata[index][0]))  # stable: in order within a split
    if len(firsts) > count:
        return sorted(evenly_spaced(by_split, count))
    chosen = set(firsts)
    others = [index for index in by_split if index not in chosen]
    return sorted(chain(firsts, evenly_spaced(others, count - len(firsts)) if count > len(firsts) else ()))
