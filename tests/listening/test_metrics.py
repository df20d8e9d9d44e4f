"""EER, minDCF and DER, worked by hand, with wrong predictions in them."""

from itertools import permutations

import numpy as np
import pytest

from photism import InputError
from photism.listening.metrics import best_match, diarization_error, equal_error_rate, min_detection_cost
from photism.listening.segments import Segment

SCORES = [0.9, 0.8, 0.7, 0.3, 0.6, 0.4, 0.2, 0.1]
SAME = [True] * 4 + [False] * 4


def test_equal_error_rate_where_both_rates_are_equal():
    # At threshold .6, one of four is rejected (.3) and one of four is accepted (.6).
    rate, threshold = equal_error_rate(SCORES, SAME)
    assert (rate, threshold) == (0.25, 0.6)


def test_equal_error_rate_between_two_thresholds():
    # At .6: 0 of 2 rejected, 1 of 3 accepted; at .7: 1 of 2 rejected, 1 of 3 accepted. They cross at 1/3.
    rate, threshold = equal_error_rate([0.9, 0.6, 0.7, 0.2, 0.1], [True, True, False, False, False])
    assert rate == pytest.approx(1 / 3)
    assert threshold == 0.7
    # At .5: 0 of 2 rejected, 1 of 3 accepted; at .9: 1 of 2 rejected, none accepted. They cross at 1/5.
    rate, threshold = equal_error_rate([0.9, 0.5, 0.5, 0.2, 0.1], [True, True, False, False, False])
    assert rate == pytest.approx(0 + 0.4 * 0.5)
    assert threshold == 0.5


def test_equal_error_rate_of_perfect_inverted_and_equal_scores():
    assert equal_error_rate([2, 1, -1], [True, True, False]) == (0, 1)
    assert equal_error_rate([-2, 1], [True, False]).rate == 1
    assert equal_error_rate([0, 0], [True, False]).rate == 0.5


def test_minimum_detection_cost():
    # For a prior of .5, the best threshold is .7: 1 of 4 rejected, none accepted: (.5 * 1/4) / .5.
    assert min_detection_cost(SCORES, SAME, prior=0.5) == pytest.approx(0.25)
    # For a prior of .01, the same threshold: (.01 * .25 + .99 * 0) / .01.
    assert min_detection_cost(SCORES, SAME) == pytest.approx(0.25)
    # For a prior of .9, the best threshold is .3: none rejected, 2 of 4 accepted: (.1 * .5) / .1.
    assert min_detection_cost(SCORES, SAME, prior=0.9) == pytest.approx(0.5)
    assert min_detection_cost(SCORES, SAME, prior=0.5, miss_cost=9) == pytest.approx(0.5)
    with pytest.raises(InputError, match="prior must be above 0 and below 1; got 1"):
        min_detection_cost(SCORES, SAME, prior=1)


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([1.0], [True], "none is of different speakers"),
        ([1.0], [False], "none is of the same speaker"),
        ([], [], "none is of the same speaker"),
        ([1.0, np.nan], [True, False], "scores must be finite"),
        ([1.0], [True, False], "must both be"),
    ],
)
def test_pairs_of_one_kind_are_an_error(scores, same, message):
    with pytest.raises(InputError, match=message):
        equal_error_rate(scores, same)


def turn(start_s, end_s, label):
    return Segment(start_s, end_s, label, 1.0)


REFERENCE = [turn(0, 4, "Anna"), turn(3, 6, "Ben"), turn(8, 10, "Anna")]


def test_missed_speech_false_alarm_and_confusion():
    # x is Anna and y is Ben. Ben is missed from 3 to 4 and a false alarm from 6 to 7; Anna is confused from 8 to 9.
    predicted = [turn(0, 4, "x"), turn(4, 7, "y"), turn(8, 9, "y"), turn(9, 10, "x")]
    error = diarization_error(REFERENCE, predicted)
    assert error == (1, 1, 1, 9)
    assert error.rate == pytest.approx(3 / 9)


def test_speaker_names_are_matched_and_may_be_too_many():
    swapped = [turn(0, 4, "Ben"), turn(3, 6, "Anna"), turn(8, 10, "Ben")]
    assert diarization_error(REFERENCE, swapped) == (0, 0, 0, 9)
    third = [turn(0, 4, "a"), turn(3, 6, "b"), turn(8, 10, "c")]
    assert diarization_error(REFERENCE, third) == (0, 0, 2, 9)
    assert diarization_error(REFERENCE, []) == (9, 0, 0, 9)
    assert diarization_error([], [turn(0, 1, "a")]).rate == float("inf")
    assert diarization_error([], []).rate == 0


def test_a_collar_ignores_the_boundaries_of_the_reference():
    late = [turn(0.2, 4.2, "x"), turn(3.2, 6.2, "y"), turn(8.2, 10.2, "x")]
    assert diarization_error(REFERENCE, late).rate > 0.1
    # .25 s around 0, 3, 4, 6, 8 and 10 are ignored; 3.25 to 3.75 counts twice.
    error = diarization_error(REFERENCE, late, collar_s=0.25)
    assert error.rate == 0
    assert error.spoken_s == pytest.approx(2.5 + 2 * 0.5 + 1.5 + 1.5)
    with pytest.raises(InputError, match="collar_s must be at least 0; got -1"):
        diarization_error(REFERENCE, late, collar_s=-1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 6), (6, 4), (0, 2)])
def test_the_match_has_the_largest_gain(shape):
    gains = np.random.default_rng(0).uniform(size=shape)
    pairs = best_match(gains)
    assert len(pairs) == min(shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    wide = gains if shape[0] <= shape[1] else gains.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(order))
        for order in permutations(range(wide.shape[1]), len(wide))
    )
    assert sum(gains[pair] for pair in pairs) == pytest.approx(best)
