"""Metrics of classification: accuracy, F1, mean average precision, confusion matrix; and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_NAMED_CLASSES = 60
"""Classes whose names are legible in a figure."""
MAX_NUMBERED_CLASSES = 20


def confusion_matrix(reference: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Count the clips of each reference class (row) by predicted class (column): (C, C) from (N,) and (N,)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (reference, predicted), 1)
    return counts


def f1(
    hits: NDArray[np.integer], predicted: NDArray[np.integer], reference: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Compute F1, the harmonic mean of precision and recall, of counts: 2 · hits / (predicted + reference).

    It is NaN where a class is neither predicted nor in the reference.
    """
    with np.errstate(invalid="ignore"):
        return 2 * hits / (predicted + reference)


def single_label_metrics(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy and macro F1, over the classes that occur or are predicted, of a confusion matrix."""
    hits = np.diag(counts)
    scores = f1(hits, counts.sum(0), counts.sum(1))
    return {"accuracy": float(hits.sum() / counts.sum()), "F1": float(np.nanmean(scores))}


def multi_label_metrics(scores: NDArray[np.floating], reference: NDArray[np.bool_]) -> dict[str, float]:
    """Return metrics of probabilities (N, C), of which those above 0.5 are predictions, and references (N, C).

    Returns:
        "accuracy", the fraction of clips with all classes predicted and no other; "F1", the mean over classes; "micro
        F1", of all classes together; "mean average precision", which depends on the order of the scores alone.
    """
    predicted = scores > 0.5
    counts = [each.sum(0) for each in (predicted & reference, predicted, reference)]
    of_classes, together = f1(*counts), f1(*(each.sum(keepdims=True) for each in counts))
    precisions = [
        average_precision(scores[:, index], reference[:, index]) for index in np.flatnonzero(reference.any(0))
    ]
    return {
        "accuracy": float((predicted == reference).all(1).mean()),
        "F1": float(np.nanmean(of_classes)) if np.isfinite(of_classes).any() else 0.0,
        "micro F1": float(np.nan_to_num(together[0])),
        "mean average precision": float(np.mean(precisions)) if precisions else 0.0,
    }


def average_precision(scores: NDArray[np.floating], reference: NDArray[np.bool_]) -> float:
    """Compute the mean, over the right clips, of the precision down to each in the order of scores, (N,) and (N,).

    Clips with the same score are taken together, since their order means nothing.
    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(reference[order])
    last = np.flatnonzero(np.append(np.diff(sorted_scores) != 0, True))  # of each score
    precision = hits[last] / (last + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / hits[-1])


def confusion_figure(counts: NDArray[np.int64], names: Sequence[str]) -> Any:
    """Return a matplotlib figure of a confusion matrix, whose colours are fractions of each reference class."""
    from matplotlib.figure import Figure

    count = len(names)
    side = min(14.0, 3.5 + 0.35 * count)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    fractions = counts / counts.sum(1, keepdims=True).clip(min=1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    if count <= MAX_NAMED_CLASSES:
        axes.set_xticks(range(count), [name[:24] for name in names], rotation=90, fontsize=8)
        axes.set_yticks(range(count), [name[:24] for name in names], fontsize=8)
    if count <= MAX_NUMBERED_CLASSES:
        for row, column in np.argwhere(counts).tolist():
            colour = "white" if fractions[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("reference")
    figure.colorbar(image, label="fraction of the reference class")
    return figure


def f1_figure(
    hits: NDArray[np.integer], predicted: NDArray[np.integer], reference: NDArray[np.integer], names: Sequence[str]
) -> Any:
    """Return a matplotlib figure of the F1 of each class, the best on top, with its number of clips."""
    from matplotlib.figure import Figure

    scores = np.nan_to_num(f1(hits, predicted, reference))
    order = np.argsort(scores, kind="stable")[-MAX_NAMED_CLASSES:]
    figure = Figure(figsize=(7, 1.5 + 0.22 * len(order)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(order)), scores[order], color="tab:blue")
    axes.set_yticks(range(len(order)), [f"{names[index][:24]} ({reference[index]})" for index in order], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    return figure
