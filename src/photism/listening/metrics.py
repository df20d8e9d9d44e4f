"""Metrics of speaker verification (EER, minDCF) and of diarization (DER)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from photism.errors import InputError
from photism.listening.segments import Segment


class EqualErrorRate(NamedTuple):
    """Equal error rate (EER) and its threshold.

    Attributes:
        rate: fraction of pairs, 0 to 1.
        threshold: minimum score that is accepted.
    """

    rate: float
    threshold: float


class DiarizationError(NamedTuple):
    """Errors of a diarization in seconds of speech, summed over speakers where they overlap.

    Attributes:
        missed_s: missed speech.
        false_alarm_s: false alarm speech.
        confused_s: speaker confusion.
        spoken_s: speech in the reference.
    """

    missed_s: float
    false_alarm_s: float
    confused_s: float
    spoken_s: float

    @property
    def rate(self) -> float:
        """Diarization error rate (DER): all errors divided by the speech in the reference.

        It may exceed 1, and is 0 if neither the reference nor the prediction has speech.
        """
        errors = self.missed_s + self.false_alarm_s + self.confused_s
        return errors / self.spoken_s if self.spoken_s else float("inf") if errors else 0.0


def equal_error_rate(scores: ArrayLike, is_same: ArrayLike) -> EqualErrorRate:
    """Compute the rate at which false rejections and false acceptances of pairs are equal.

    If they cross between two scores, both rates are interpolated linearly. The threshold is the lowest score at which
    they are closest.

    Args:
        scores: (N,), higher for pairs that are more similar.
        is_same: bool (N,), whether a pair is of the same speaker.

    Raises:
        InputError: there are no pairs of one kind, or a score is not finite.
    """
    thresholds, misses, false_alarms = _error_rates(scores, is_same)
    difference = misses - false_alarms  # rises from -1, where everything is accepted, to 1, where nothing is
    after = int(np.argmax(difference >= 0))
    closest = after - 1 if abs(difference[after - 1]) < abs(difference[after]) else after
    if difference[after] == 0:
        return EqualErrorRate(float(misses[after]), float(thresholds[after]))
    fraction = -difference[after - 1] / (difference[after] - difference[after - 1])
    rate = misses[after - 1] + fraction * (misses[after] - misses[after - 1])
    return EqualErrorRate(float(rate), float(thresholds[closest]))


def min_detection_cost(
    scores: ArrayLike,
    is_same: ArrayLike,
    *,
    prior: float = 0.01,
    miss_cost: float = 1.0,
    false_alarm_cost: float = 1.0,
) -> float:
    """Compute NIST's minimum detection cost (minDCF), divided by the cost of ignoring the scores.

    Args:
        scores: (N,), as in `equal_error_rate`.
        is_same: bool (N,), as in `equal_error_rate`.
        prior: probability that a pair is of the same speaker, above 0 and below 1.
        miss_cost: cost of rejecting the same speaker.
        false_alarm_cost: cost of accepting another speaker.

    Raises:
        InputError: there are no pairs of one kind, a score is not finite, or the prior is out of range.
    """
    if not 0 < prior < 1:
        raise InputError(f"prior must be above 0 and below 1; got {prior}")
    _, misses, false_alarms = _error_rates(scores, is_same)
    miss_weight, false_alarm_weight = miss_cost * prior, false_alarm_cost * (1 - prior)
    cost = miss_weight * misses + false_alarm_weight * false_alarms
    return float(cost.min() / min(miss_weight, false_alarm_weight))


def diarization_error(
    reference: Sequence[Segment], predicted: Sequence[Segment], *, collar_s: float = 0.0
) -> DiarizationError:
    """Compare predicted turns with the reference, under the best match of speaker names.

    Args:
        reference: reference turns, in any order; those of one speaker may touch and overlap.
        predicted: predicted turns.
        collar_s: time ignored on either side of each boundary of a reference turn; NIST's evaluations use 0.25.

    Raises:
        InputError: the collar is below 0.
    """
    if not collar_s >= 0:
        raise InputError(f"collar_s must be at least 0; got {collar_s}")
    reference_names = sorted({turn.label for turn in reference})
    predicted_names = sorted({turn.label for turn in predicted})
    overlap_s = np.zeros((len(reference_names), len(predicted_names)))
    regions: list[tuple[float, frozenset[int], frozenset[int]]] = []
    for start_s, end_s in _regions(reference, predicted, collar_s):
        middle_s = (start_s + end_s) / 2
        truth, guess = _active(reference, reference_names, middle_s), _active(predicted, predicted_names, middle_s)
        regions.append((end_s - start_s, truth, guess))
        for speaker in truth:
            overlap_s[speaker, list(guess)] += end_s - start_s
    match = dict(best_match(overlap_s))
    missed_s = false_alarm_s = confused_s = spoken_s = 0.0
    for duration_s, truth, guess in regions:
        correct = sum(match.get(speaker) in guess for speaker in truth)
        spoken_s += duration_s * len(truth)
        missed_s += duration_s * max(0, len(truth) - len(guess))
        false_alarm_s += duration_s * max(0, len(guess) - len(truth))
        confused_s += duration_s * (min(len(truth), len(guess)) - correct)
    return DiarizationError(missed_s, false_alarm_s, confused_s, spoken_s)


def best_match(gains: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return the one-to-one match of rows and columns with the largest total gain, by the Hungarian method.

    Args:
        gains: (M, N), gain of matching row m with column n.

    Returns:
        min(M, N) pairs of a row and a column.
    """
    if gains.shape[0] > gains.shape[1]:
        return [(row, column) for column, row in best_match(gains.T)]
    rows, columns = gains.shape
    costs = np.zeros((rows + 1, columns + 1))
    costs[1:, 1:] = -gains
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, int)  # 0: unmatched
    for row in range(1, rows + 1):
        row_of[0] = row
        column = 0
        slack = np.full(columns + 1, np.inf)
        came_from = np.zeros(columns + 1, int)
        is_visited = np.zeros(columns + 1, bool)
        while row_of[column]:
            is_visited[column] = True
            here = row_of[column]
            reduced = costs[here] - row_price[here] - column_price
            better = ~is_visited & (reduced < slack)
            slack[better], came_from[better] = reduced[better], column
            column = int(np.where(is_visited, np.inf, slack)[1:].argmin()) + 1
            step = slack[column]
            row_price[row_of[is_visited]] += step
            column_price[is_visited] -= step
            slack[~is_visited] -= step
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return [(int(row_of[column]) - 1, column - 1) for column in range(1, columns + 1) if row_of[column]]


def _error_rates(
    scores: ArrayLike, is_same: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ascending thresholds, the last above all scores, and the miss and false alarm rates at each."""
    values, same = np.asarray(scores, np.float64), np.asarray(is_same, bool)
    if values.shape != same.shape or values.ndim != 1:
        raise InputError(f"scores and is_same must both be (N,); got {values.shape} and {same.shape}")
    if not np.isfinite(values).all():
        raise InputError("scores must be finite, but contain NaN or infinity")
    if same.all() or not same.any():
        kind = "different speakers" if same.size and same.all() else "the same speaker"
        raise InputError(f"there must be pairs of the same speaker and of different ones; none is of {kind}")
    thresholds = np.append(np.unique(values), np.nextafter(values.max(), np.inf))
    misses = np.searchsorted(np.sort(values[same]), thresholds, side="left") / same.sum()
    false_alarms = 1 - np.searchsorted(np.sort(values[~same]), thresholds, side="left") / (~same).sum()
    return thresholds, misses, false_alarms


def _active(turns: Sequence[Segment], names: Sequence[str], time_s: float) -> frozenset[int]:
    """Return the indices of the speakers who have a turn at a time."""
    return frozenset(names.index(turn.label) for turn in turns if turn.start_s <= time_s < turn.end_s)


def _regions(
    reference: Sequence[Segment], predicted: Sequence[Segment], collar_s: float
) -> Iterator[tuple[float, float]]:
    """Yield the regions between neighbouring boundaries of turns, except those within a collar."""
    reference_edges = {edge for turn in reference for edge in (turn.start_s, turn.end_s)}
    edges = reference_edges | {edge for turn in predicted for edge in (turn.start_s, turn.end_s)}
    edges |= {edge + side for edge in reference_edges for side in (-collar_s, collar_s)}
    for start_s, end_s in pairwise(sorted(edges)):
        middle_s = (start_s + end_s) / 2
        if all(abs(middle_s - edge) >= collar_s for edge in reference_edges):
            yield start_s, end_s
