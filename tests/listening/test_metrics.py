"""Metrics of speakers, worked by hand, with wrong answers in them."""

from itertools import permutations

import numpy as np
import pytest

from photism import InputError
from photism.listening.metrics import best_match, diarization_error, equal_error_rate, min_detection_cost
from photism.listening.windows import Segment

SCORES = [0.9, 0.8, 0.7, 0.3, 0.6, 0.4, 0.2, 0.1]
SAME = [True] * 4 + [False] * 4


def test_one_of_four_is_wrong_on_either_side():
    # From .6 on: .3 of the same speaker is refused, .6 of another accepted.
    rate, threshold = equal_error_rate(SCORES, SAME)
    assert (rate, threshold) == (0.25, 0.6)


def test_the_rate_between_two_thresholds():
    # From .6 on: 0 of 2 refused, 1 of 3 accepted; from .7 on: 1 of 2 refused, 1 of 3 accepted. They cross at 1/3.
    rate, threshold = equal_error_rate([0.9, 0.6, 0.7, 0.2, 0.1], [True, True, False, False, False])
    assert rate == pytest.approx(1 / 3)
    assert threshold == 0.7
    # From .5 on: 0 of 2 refused, 1 of 3 accepted; from .9 on: 1 of 2 refused, none accepted. They cross at 1/5.
    rate, threshold = equal_error_rate([0.9, 0.5, 0.5, 0.2, 0.1], [True, True, False, False, False])
    assert rate == pytest.approx(0 + 0.4 * 0.5)
    assert threshold == 0.5


def test_all_right_all_wrong_and_no_difference():
    assert equal_error_rate([2, 1, -1], [True, True, False]) == (0, 1)
    assert equal_error_rate([-2, 1], [True, False]).rate == 1
    assert equal_error_rate([0, 0], [True, False]).rate == 0.5


def test_the_least_cost_of_any_threshold():
    # At even odds the best is from .7 on: 1 of 4 refused, none accepted: .5 * 1/4, of .5 for saying nothing.
    assert min_detection_cost(SCORES, SAME, prior=0.5) == pytest.approx(0.25)
    # Where acceptance is dear, the same threshold: (.01 * .25 + .99 * 0) / .01.
    assert min_detection_cost(SCORES, SAME) == pytest.approx(0.25)
    # Where refusal is dear, from .3 on: none refused, 2 of 4 accepted: .1 * .5, of .1 for accepting all.
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
        ([1.0], [True, False], "must be"),
    ],
)
def test_pairs_that_tell_nothing(scores, same, message):
    with pytest.raises(InputError, match=message):
        equal_error_rate(scores, same)


def turn(start_s, end_s, label):
    return Segment(start_s, end_s, label, 1.0)


REFERENCE = [turn(0, 4, "Anna"), turn(3, 6, "Ben"), turn(8, 10, "Anna")]


def test_each_kind_of_error_and_their_sum():
    # x is Anna and y is Ben. Ben is missed from 3 to 4 and told too long until 7; Anna is y from 8 to 9.
    found = [turn(0, 4, "x"), turn(4, 7, "y"), turn(8, 9, "y"), turn(9, 10, "x")]
    error = diarization_error(REFERENCE, found)
    assert error == (1, 1, 1, 9)
    assert error.rate == pytest.approx(3 / 9)


def test_names_do_not_matter_and_speakers_may_be_too_many():
    swapped = [turn(0, 4, "Ben"), turn(3, 6, "Anna"), turn(8, 10, "Ben")]
    assert diarization_error(REFERENCE, swapped) == (0, 0, 0, 9)
    third = [turn(0, 4, "a"), turn(3, 6, "b"), turn(8, 10, "c")]
    assert diarization_error(REFERENCE, third) == (0, 0, 2, 9)
    assert diarization_error(REFERENCE, []) == (9, 0, 0, 9)
    assert diarization_error([], [turn(0, 1, "a")]).rate == float("inf")
    assert diarization_error([], []).rate == 0


def test_a_collar_forgives_at_the_true_edges_alone():
    late = [turn(0.2, 4.2, "x"), turn(3.2, 6.2, "y"), turn(8.2, 10.2, "x")]
    assert diarization_error(REFERENCE, late).rate > 0.1
    # Left out are .25 s around 0, 3, 4, 6, 8 and 10; 3.25 to 3.75 counts twice.
    error = diarization_error(REFERENCE, late, collar_s=0.25)
    assert error.rate == 0
    assert error.spoken_s == pytest.approx(2.5 + 2 * 0.5 + 1.5 + 1.5)
    with pytest.raises(InputError, match="collar_s must be 0 or more; got -1"):
        diarization_error(REFERENCE, late, collar_s=-1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 6), (6, 4), (0, 2)])
def test_no_match_gains_more(shape):
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
