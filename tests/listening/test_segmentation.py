"""Merging of windows into segments, worked by hand."""

import numpy as np
import pytest

from photism.listening.segmentation import SegmentMerger, find_runs
from photism.listening.segments import Segment

SCORES = np.array([[0.9, 0.1, 0.6], [0.7, 0.2, 0.65], [0.4, 0.5, 0.1], [0.8, 0.1, 0.7]])


def merge_windows(scores, *, problem_type, threshold=None):
    """Merge windows of a second each, of the classes a, b and c."""
    merger = SegmentMerger("abc", problem_type, threshold)
    for start_s, row in enumerate(scores):
        merger.add(start_s, row)
    return merger.finish(len(scores))


def test_runs_of_a_mask():
    assert list(find_runs(np.array([True, True, False, True]))) == [(0, 2), (3, 4)]
    assert list(find_runs(np.zeros(3, bool))) == []


def test_neighbouring_windows_with_the_same_best_class_are_merged():
    assert merge_windows(SCORES, problem_type="single_label") == [
        Segment(0, 2, "a", pytest.approx(0.8)),
        Segment(2, 3, "b", 0.5),
        Segment(3, 4, "a", 0.8),
    ]


def test_a_best_class_below_the_threshold_has_no_segment():
    segments = merge_windows(SCORES, problem_type="single_label", threshold=0.8)
    assert segments == [Segment(0, 1, "a", 0.9), Segment(3, 4, "a", 0.8)]


def test_classes_of_a_multi_label_problem_overlap():
    assert merge_windows(SCORES, problem_type="multi_label") == [
        Segment(0, 2, "a", pytest.approx(0.8)),
        Segment(0, 2, "c", 0.625),
        Segment(2, 3, "b", 0.5),
        Segment(3, 4, "a", 0.8),
        Segment(3, 4, "c", 0.7),
    ]

    def above(threshold):
        return merge_windows(SCORES, problem_type="multi_label", threshold=threshold)

    assert above(0.85) == [Segment(0, 1, "a", 0.9)]
    assert above(0.95) == []


def test_predicted_values_are_not_merged():
    segments = merge_windows(-SCORES[:2], problem_type="regression")
    assert [segment.score for segment in segments] == [-0.9, -0.1, -0.6, -0.7, -0.2, -0.65]
    assert segments[4] == Segment(1, 2, "b", -0.2)
