"""Captions of a row: a text, several texts, or labels that a template turns into captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from photism.manifest.columns import Columns, is_missing
from photism.training.data.example import LABEL_COLUMNS, TEXT_COLUMNS
from photism.training.settings import ALL_LABELS, EACH_LABEL

CAPTION_COLUMNS = ("labels", *TEXT_COLUMNS, *LABEL_COLUMNS[1:])
"""Columns with captions, the preferred one first: a list of labels describes what is heard, while a free text next to
it often says how it was recorded, as in FSD50K. A single class, such as a number, is the last choice."""
NOT_IN_CAPTIONS = str.maketrans("_", " ", "()")


def caption_columns(
    row: Mapping[str, Any], *, text_columns: Sequence[str] | None = None, label_column: str | None = None
) -> Columns:
    """Return the columns from which the captions of a row are read, and others that hold some.

    Args:
        row: row of a data set.
        text_columns: columns with a caption or a list of captions; None for the first of `CAPTION_COLUMNS` with any.
        label_column: column with labels; None for that as well.
    """
    named = text_columns or ((label_column,) if label_column else ())
    if named:
        return Columns(tuple(named))
    filled = [name for name in CAPTION_COLUMNS if captions_of_text(row.get(name))]
    return Columns(tuple(filled[:1]), tuple(filled[1:]))


def captions_of_row(
    row: Mapping[str, Any],
    *,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    label_template: str = ALL_LABELS,
) -> tuple[str, ...]:
    """Return the captions of a row: its texts, or captions made from its labels.

    Args:
        row: row of a data set.
        text_columns: as in `caption_columns`.
        label_column: as in `caption_columns`.
        label_template: template of `captions_of_labels`, for the label column and for those that usually hold labels.
    """
    columns = caption_columns(row, text_columns=text_columns, label_column=label_column)
    found = (
        captions_of_labels(row.get(name), label_template)
        if name in (label_column, *LABEL_COLUMNS)
        else captions_of_text(row.get(name))
        for name in columns.used
    )
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def captions_of_labels(labels: Any, template: str = ALL_LABELS) -> tuple[str, ...]:
    """Return labels as captions: "Keyboard_(musical),Music" becomes "Keyboard musical Music".

    Args:
        labels: a list, or names separated by commas, as in FSD50K.
        template: with `{labels}`, one caption of all labels; with `{label}`, a caption of each.

    Source: with the default template, the cleaning of audio2img (kardSIM), train_me.ipynb.
    """
    names = labels.split(",") if isinstance(labels, str) else [str(each) for each in _as_list(labels)]
    clean = [" ".join(name.translate(NOT_IN_CAPTIONS).split()) for name in names]
    clean = [name for name in clean if name]
    if ALL_LABELS in template:
        return (template.replace(ALL_LABELS, " ".join(clean)),) if clean else ()
    return tuple(template.replace(EACH_LABEL, name) for name in clean)


def captions_of_text(text: Any) -> tuple[str, ...]:
    """Return the distinct, non-empty captions of a text or a list of texts."""
    clean = [" ".join(str(each).split()) for each in _as_list(text)]
    return tuple(dict.fromkeys(each for each in clean if each))


def _as_list(value: Any) -> Sequence[Any]:
    values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    return [each for each in values if not is_missing(each)]
