"""How right classes are: accuracy, F1, mean average precision, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED_CLASSES = 60
"""In a picture: the names of more could not be read."""
NUMBERED_CLASSES = 20


def confusion(right: NDArray[np.integer], told: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """How many sounds of a class (row) were told to be of a class (column): (C, C), of (N,) and (N,)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (right, told), 1)
    return counts


def f1(hits: NDArray[np.integer], told: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.float64]:
    """Of each class, the harmonic mean of precision and recall: 2 · hits / (told + right); NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        return 2 * hits / (told + right)


def single_label_measures(counts: NDArray[np.int64]) -> dict[str, float]:
    """Of a confusion matrix: accuracy, and the mean F1 of the classes that are there or were told."""
    hits = np.diag(counts)
    of_classes = f1(hits, counts.sum(0), counts.sum(1))
    return {"accuracy": float(hits.sum() / counts.sum()), "F1": float(np.nanmean(of_classes))}


def multi_label_measures(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> dict[str, float]:
    """Of probabilities (N, C), of which those above 0.5 are told, and what is right (N, C).

    Returns:
        "accuracy" is the share of sounds with all classes right and no other told, "F1" the mean of the classes, "micro
        F1" that of all classes together, and "mean average precision" looks at the order of the scores alone.
    """
    told = scores > 0.5
    counts = [each.sum(0) for each in (told & right, told, right)]
    of_classes, together = f1(*counts), f1(*(each.sum(keepdims=True) for each in counts))
    precisions = [average_precision(scores[:, index], right[:, index]) for index in np.flatnonzero(right.any(0))]
    return {
        "accuracy": float((told == right).all(1).mean()),
        "F1": float(np.nanmean(of_classes)) if np.isfinite(of_classes).any() else 0.0,
        "micro F1": float(np.nan_to_num(together[0])),
        "mean average precision": float(np.mean(precisions)) if precisions else 0.0,
    }


def average_precision(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Mean precision among the best-scored down to each right one: of (N,) scores and what is right.

    Sounds of one score are taken together: their order says nothing.
    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(np.diff(sorted_scores) != 0, True))  # of each score
    precision = hits[last] / (last + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / hits[-1])


def confusion_figure(counts: NDArray[np.int64], names: Sequence[str]) -> Any:
    """A matplotlib figure: the share of the sounds of each class (row) that were told to be of each (column)."""
    from matplotlib.figure import Figure

    count = len(names)
    side = min(14.0, 3.5 + 0.35 * count)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= NAMED_CLASSES:
        axes.set_xticks(range(count), [name[:24] for name in names], rotation=90, fontsize=8)
        axes.set_yticks(range(count), [name[:24] for name in names], fontsize=8)
    if count <= NUMBERED_CLASSES:
        for row, column in np.argwhere(counts).tolist():
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xlabel("told")
    axes.set_ylabel("right")
    figure.colorbar(image, label="share of the sounds of a class")
    return figure


def f1_figure(hits: NDArray[np.integer], told: NDArray[np.integer], right: NDArray[np.integer], names: Any) -> Any:
    """A matplotlib figure: F1 of each class, the best on top, with how many sounds are of it."""
    from matplotlib.figure import Figure

    scores = np.nan_to_num(f1(hits, told, right))
    order = np.argsort(scores, kind="stable")[-NAMED_CLASSES:]
    figure = Figure(figsize=(7, 1.5 + 0.22 * len(order)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(order)), scores[order], color="tab:blue")
    axes.set_yticks(range(len(order)), [f"{names[index][:24]} ({right[index]})" for index in order], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    return figure
