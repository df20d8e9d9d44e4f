"""How well speakers are told: equal error rate and detection cost of pairs, and the diarization error rate of turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from photism.errors import InputError
from photism.listening.windows import Segment


class EqualErrorRate(NamedTuple):
    """Where as large a share of the same is refused as of others is accepted."""

    rate: float  # 0 to 1
    threshold: float  # a score from here on is accepted


class DiarizationError(NamedTuple):
    """Seconds of speech that were told wrongly, of speakers summed where they overlap."""

    missed_s: float
    false_alarm_s: float
    confused_s: float  # speech that was given to another speaker
    spoken_s: float  # by the reference

    @property
    def rate(self) -> float:
        """All that is wrong, as a share of what was spoken; 0 where neither says anything, and may be above 1."""
        wrong = self.missed_s + self.false_alarm_s + self.confused_s
        return wrong / self.spoken_s if self.spoken_s else float("inf") if wrong else 0.0


def equal_error_rate(scores: ArrayLike, is_same: ArrayLike) -> EqualErrorRate:
    """The rate at which false refusals and false acceptances of pairs are alike.

    Between two scores at which they cross, both are taken to change in a straight line; the threshold is the lowest
    score that is accepted where they are nearest to each other.

    Args:
        scores: (N,), higher for pairs that are more alike.
        is_same: bool (N,), whether a pair is of one speaker.

    Raises:
        InputError: there is no pair of one kind, or a score is not finite.
    """
    thresholds, misses, false_alarms = _errors(scores, is_same)
    difference = misses - false_alarms  # rises from -1, where all is accepted, to 1, where nothing is
    after = int(np.argmax(difference >= 0))
    best = after - 1 if abs(difference[after - 1]) < abs(difference[after]) else after
    if difference[after] == 0:
        return EqualErrorRate(float(misses[after]), float(thresholds[after]))
    share = -difference[after - 1] / (difference[after] - difference[after - 1])
    rate = misses[after - 1] + share * (misses[after] - misses[after - 1])
    return EqualErrorRate(float(rate), float(thresholds[best]))


def min_detection_cost(
    scores: ArrayLike,
    is_same: ArrayLike,
    *,
    prior: float = 0.01,
    miss_cost: float = 1.0,
    false_alarm_cost: float = 1.0,
) -> float:
    """The least detection cost of any threshold, as a share of that of always saying the likelier (NIST's minDCF).

    Args:
        scores: as in `equal_error_rate`.
        is_same: likewise.
        prior: how likely a pair is of one speaker, above 0 and below 1.
        miss_cost: of refusing one.
        false_alarm_cost: of accepting another.

    Raises:
        InputError: as in `equal_error_rate`, or the prior is out of range.
    """
    if not 0 < prior < 1:
        raise InputError(f"prior must be above 0 and below 1; got {prior}")
    _, misses, false_alarms = _errors(scores, is_same)
    missing, accepting = miss_cost * prior, false_alarm_cost * (1 - prior)
    return float((missing * misses + accepting * false_alarms).min() / min(missing, accepting))


def diarization_error(
    reference: Sequence[Segment], found: Sequence[Segment], *, collar_s: float = 0.0
) -> DiarizationError:
    """What is wrong about who spoke when, with the speakers' names matched as favourably as can be.

    Args:
        reference: the true turns, in any order; those of one speaker may touch and overlap.
        found: the turns to be measured.
        collar_s: left out on either side of each edge of a true turn; NIST's evaluations take 0.25.

    Raises:
        InputError: the collar is below 0.
    """
    if not collar_s >= 0:
        raise InputError(f"collar_s must be 0 or more; got {collar_s}")
    true_names = sorted({turn.label for turn in reference})
    found_names = sorted({turn.label for turn in found})
    together = np.zeros((len(true_names), len(found_names)))
    stretches: list[tuple[float, frozenset[int], frozenset[int]]] = []
    for start_s, end_s in _stretches(reference, found, collar_s):
        middle = (start_s + end_s) / 2
        speaking = frozenset(true_names.index(turn.label) for turn in reference if turn.start_s <= middle < turn.end_s)
        told = frozenset(found_names.index(turn.label) for turn in found if turn.start_s <= middle < turn.end_s)
        stretches.append((end_s - start_s, speaking, told))
        for index in speaking:
            together[index, list(told)] += end_s - start_s
    match = dict(best_match(together))
    missed = false_alarm = confused = spoken = 0.0
    for length, speaking, told in stretches:
        right = sum(match.get(index) in told for index in speaking)
        spoken += length * len(speaking)
        missed += length * max(0, len(speaking) - len(told))
        false_alarm += length * max(0, len(told) - len(speaking))
        confused += length * (min(len(speaking), len(told)) - right)
    return DiarizationError(missed, false_alarm, confused, spoken)


def best_match(gains: NDArray[np.floating]) -> list[tuple[int, int]]:
    """The pairs of a row and a column each, none twice, that gain most together: the Hungarian method.

    Args:
        gains: (M, N), of pairing row m with column n.
    """
    if gains.shape[0] > gains.shape[1]:
        return [(row, column) for column, row in best_match(gains.T)]
    rows, columns = gains.shape
    costs = np.zeros((rows + 1, columns + 1))
    costs[1:, 1:] = -gains
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, int)  # 0: free
    for row in range(1, rows + 1):
        row_of[0] = row
        column = 0
        slack = np.full(columns + 1, np.inf)
        came_from = np.zeros(columns + 1, int)
        is_seen = np.zeros(columns + 1, bool)
        while row_of[column]:
            is_seen[column] = True
            here = row_of[column]
            reduced = costs[here] - row_price[here] - column_price
            better = ~is_seen & (reduced < slack)
            slack[better], came_from[better] = reduced[better], column
            column = int(np.where(is_seen, np.inf, slack)[1:].argmin()) + 1
            step = slack[column]
            row_price[row_of[is_seen]] += step
            column_price[is_seen] -= step
            slack[~is_seen] -= step
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return [(int(row_of[column]) - 1, column - 1) for column in range(1, columns + 1) if row_of[column]]


def _errors(
    scores: ArrayLike, is_same: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds, rising, the last above all scores; and at each the share of misses and of false alarms."""
    values, same = np.asarray(scores, np.float64), np.asarray(is_same, bool)
    if values.shape != same.shape or values.ndim != 1:
        raise InputError(f"scores and is_same must be (N,) both; got {values.shape} and {same.shape}")
    if not np.isfinite(values).all():
        raise InputError("scores must be finite, but hold NaN or infinity")
    if same.all() or not same.any():
        kind = "different speakers" if same.size and same.all() else "the same speaker"
        raise InputError(f"there must be pairs of the same speaker and of different ones; none is of {kind}")
    thresholds = np.append(np.unique(values), np.nextafter(values.max(), np.inf))
    misses = np.searchsorted(np.sort(values[same]), thresholds, side="left") / same.sum()
    false_alarms = 1 - np.searchsorted(np.sort(values[~same]), thresholds, side="left") / (~same).sum()
    return thresholds, misses, false_alarms


def _stretches(
    reference: Sequence[Segment], found: Sequence[Segment], collar_s: float
) -> Iterator[tuple[float, float]]:
    """Between all edges, without what a collar leaves out."""
    true_edges = {edge for turn in reference for edge in (turn.start_s, turn.end_s)}
    edges = true_edges | {edge for turn in found for edge in (turn.start_s, turn.end_s)}
    edges |= {edge + side for edge in true_edges for side in (-collar_s, collar_s)}
    for start_s, end_s in pairwise(sorted(edges)):
        middle = (start_s + end_s) / 2
        if all(abs(middle - edge) >= collar_s for edge in true_edges):
            yield start_s, end_s
