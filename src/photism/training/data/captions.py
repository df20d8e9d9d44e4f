"""Captions of a row: a text, several texts, or labels that a template turns into captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from photism.training.data.example import LABEL_COLUMNS, TEXT_COLUMNS, first_of
from photism.training.settings import ALL_LABELS, EACH_LABEL

NOT_IN_CAPTIONS = str.maketrans("_", " ", "()")


def captions_of_row(
    row: Mapping[str, Any], *, text_columns: Sequence[str] | None, label_template: str
) -> tuple[str, ...]:
    """Return the captions of a row: its texts or, if it has none, captions made from its labels.

    Args:
        row: row of a data set.
        text_columns: columns with a caption or a list of captions; None for the first of the usual ones that has any.
        label_template: template of `captions_of_labels`.
    """
    texts = [row.get(name) for name in text_columns or [each for each in TEXT_COLUMNS if row.get(each)][:1]]
    captions = tuple(dict.fromkeys(chain.from_iterable(map(captions_of_text, texts))))
    if not captions and not text_columns:
        found = first_of(row, LABEL_COLUMNS)
        labels = found if isinstance(found, str) else map(str, _as_list(found))  # some are numbers
        captions = captions_of_labels(labels, label_template)
    return captions


def captions_of_labels(labels: str | Iterable[str], template: str = ALL_LABELS) -> tuple[str, ...]:
    """Return labels as captions: "Keyboard_(musical),Music" becomes "Keyboard musical Music".

    Args:
        labels: a list, or names separated by commas, as in FSD50K.
        template: with `{labels}`, one caption of all labels; with `{label}`, a caption of each.

    Source: with the default template, the cleaning of audio2img (kardSIM), train_me.ipynb.
    """
    names = labels.split(",") if isinstance(labels, str) else labels
    clean = [" ".join(name.translate(NOT_IN_CAPTIONS).split()) for name in names]
    clean = [name for name in clean if name]
    if ALL_LABELS in template:
        return (template.replace(ALL_LABELS, " ".join(clean)),) if clean else ()
    return tuple(template.replace(EACH_LABEL, name) for name in clean)


def captions_of_text(text: Any) -> tuple[str, ...]:
    """Return the distinct, non-empty captions of a text or a list of texts."""
    clean = [" ".join(str(each).split()) for each in _as_list(text) if each is not None]
    return tuple(dict.fromkeys(each for each in clean if each))


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [] if value is None else [value]
