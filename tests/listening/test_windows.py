"""Windows that miss nothing, and segments worked by hand."""

import numpy as np
import pytest

from photism import InputError
from photism.audio.windowing import Window
from photism.listening.windows import Segment, Windows, cells, join

S = 16_000


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (0.5, [0]),
        (2, [0]),
        (2.25, [0, 0.25]),
        (3, [0, 1]),
        (4.5, [0, 1, 2, 2.5]),
        (5, [0, 1, 2, 3]),
    ],
)
def test_the_last_window_ends_with_the_recording(seconds, starts):
    spans = Windows(2, 1).spans(int(seconds * S))
    assert [start / S for start, _ in spans] == starts
    assert spans[-1][1] == seconds * S
    assert all(end - start == min(2, seconds) * S for start, end in spans)


def test_half_a_window_is_the_hop_by_default():
    assert Windows(2).spans(4 * S) == [(0, 2 * S), (S, 3 * S), (2 * S, 4 * S)]
    assert Windows(2, 2).spans(4 * S) == [(0, 2 * S), (2 * S, 4 * S)]


@pytest.mark.parametrize(
    ("window", "hop", "message"),
    [
        (0.024, None, "window_s must be at least 0.025 s; got 0.024"),
        (0, None, "window_s must be at least"),
        (float("nan"), None, "window_s must be at least"),
        (float("inf"), None, "window_s must be at least"),
        (2, 2.1, "hop_s must be above 0 and at most the window of 2 s, so that nothing is left out; got 2.1"),
        (2, 0, "hop_s must be above 0"),
        (2, -1, "hop_s must be above 0"),
    ],
)
def test_a_length_that_cannot_be(window, hop, message):
    with pytest.raises(InputError, match=message):
        Windows(window, hop)
    Windows(0.025)


def test_windows_speak_for_stretches_that_meet_and_leave_no_gap():
    spans = Windows(2, 1).spans(int(4.5 * S))
    assert cells(spans) == [(0, 1.5), (1.5, 2.5), (2.5, 3.25), (3.25, 4.5)]
    assert cells([Window(0, S)]) == [(0, 1)]
    assert cells([Window(0, S), Window(S, 2 * S)]) == [(0, 1), (1, 2)]


STRETCHES = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
SCORES = np.array([[0.9, 0.1, 0.6], [0.7, 0.2, 0.65], [0.4, 0.5, 0.1], [0.8, 0.1, 0.7]])


def test_the_best_class_of_neighbours_is_joined():
    assert join(STRETCHES, SCORES, "abc", reading="one") == [
        Segment(0, 2, "a", pytest.approx(0.8)),
        Segment(2, 3, "b", 0.5),
        Segment(3, 4, "a", 0.8),
    ]


def test_a_best_class_below_the_threshold_is_not_told():
    found = join(STRETCHES, SCORES, "abc", reading="one", threshold=0.8)
    assert found == [Segment(0, 1, "a", 0.9), Segment(3, 4, "a", 0.8)]


def test_several_classes_overlap():
    assert join(STRETCHES, SCORES, "abc", reading="several") == [
        Segment(0, 2, "a", pytest.approx(0.8)),
        Segment(0, 2, "c", 0.625),
        Segment(2, 3, "b", 0.5),
        Segment(3, 4, "a", 0.8),
        Segment(3, 4, "c", 0.7),
    ]
    assert join(STRETCHES, SCORES, "abc", reading="several", threshold=0.85) == [Segment(0, 1, "a", 0.9)]
    assert join(STRETCHES, SCORES, "abc", reading="several", threshold=0.95) == []


def test_numbers_are_told_as_they_are():
    found = join(STRETCHES[:2], -SCORES[:2], "abc", reading="values")
    assert [segment.score for segment in found] == [-0.9, -0.1, -0.6, -0.7, -0.2, -0.65]
    assert found[4] == Segment(1, 2, "b", -0.2)
