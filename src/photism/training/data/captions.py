"""Captions out of what data sets hold: a text, several texts, or labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from photism.errors import InputError
from photism.training.data.readers import LABEL_COLUMNS, TEXT_COLUMNS, first_of

ALL_LABELS, EACH_LABEL = "{labels}", "{label}"
NOT_IN_CAPTIONS = str.maketrans("_", " ", "()")


def check_template(template: str) -> None:
    """That a template takes labels.

    Raises:
        InputError: it has neither `{labels}` nor `{label}`, or both.
    """
    if (ALL_LABELS in template) == (EACH_LABEL in template):
        raise InputError(
            f"label_template must hold either {ALL_LABELS}, for one caption of all labels, or {EACH_LABEL}, for a "
            f"caption of each; got {template!r}"
        )


def captions_of_row(
    row: Mapping[str, Any], *, text_columns: Sequence[str] | None, label_template: str
) -> tuple[str, ...]:
    """What a sound may be called: its texts or, without any, what its labels make.

    Args:
        row: of a data set.
        text_columns: that hold a caption, or a list of them; None: the first of the usual ones that holds anything.
        label_template: of `captions_of_labels`.
    """
    texts = [row.get(name) for name in text_columns or [each for each in TEXT_COLUMNS if row.get(each)][:1]]
    captions = tuple(dict.fromkeys(chain.from_iterable(map(captions_of_text, texts))))
    if not captions and not text_columns:
        found = first_of(row, LABEL_COLUMNS)
        labels = found if isinstance(found, str) else map(str, _listed(found))  # some are numbers
        captions = captions_of_labels(labels, label_template)
    return captions


def captions_of_labels(labels: str | Iterable[str], template: str = ALL_LABELS) -> tuple[str, ...]:
    """Labels as captions: "Keyboard_(musical),Music" is "Keyboard musical Music".

    Args:
        labels: a list, or names between commas, as FSD50K has them.
        template: with `{labels}`, all of them in one caption; with `{label}`, a caption of each.

    Source: with the default template, the cleaning of audio2img (kardSIM), train_me.ipynb.
    """
    names = labels.split(",") if isinstance(labels, str) else labels
    clean = [" ".join(name.translate(NOT_IN_CAPTIONS).split()) for name in names]
    clean = [name for name in clean if name]
    if ALL_LABELS in template:
        return (template.replace(ALL_LABELS, " ".join(clean)),) if clean else ()
    return tuple(template.replace(EACH_LABEL, name) for name in clean)


def captions_of_text(text: Any) -> tuple[str, ...]:
    """A text or a list of texts, without those that say nothing."""
    clean = [" ".join(str(each).split()) for each in _listed(text) if each is not None]
    return tuple(dict.fromkeys(each for each in clean if each))


def _listed(found: Any) -> Sequence[Any]:
    """What a column holds, as a list."""
    return found if isinstance(found, list | tuple) else [] if found is None else [found]
