import numpy as np
import pytest

from photism.training.heads.class_metrics import (
    average_precision,
    confusion,
    confusion_figure,
    f1_figure,
    multi_label_measures,
    single_label_measures,
)


def test_one_class_by_hand():
    # Of class 0 two are right and one is taken for 1; of 1 one is right and one is taken for 2; 3 was never told.
    right, told = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    counts = confusion(right, told, 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # F1: 2·2/(2+3), 2·1/(2+2), 2·0/(1+0); class 3 has neither sounds nor answers, and does not count.
    assert single_label_measures(counts) == pytest.approx({"accuracy": 3 / 5, "F1": (0.8 + 0.5 + 0) / 3})


def test_several_classes_by_hand():
    right = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)
    scores = np.array([[0.9, 0.6, 0.1], [0.3, 0.8, 0.2], [0.4, 0.1, 0.1]])
    # Told: {0, 1}, {1}, {}: only the third is all right. Class 0: one hit, told once, right twice; class 1: one hit,
    # told twice, right once; class 2 is never there and never told.
    found = multi_label_measures(scores, right)
    # Order of class 0: right, wrong, right; of class 1: right first.
    precision = ((1 + 2 / 3) / 2 + 1) / 2
    assert found == pytest.approx(
        {"accuracy": 1 / 3, "F1": 2 / 3, "micro F1": 2 * 2 / (3 + 3), "mean average precision": precision}
    )


def test_equal_scores_have_no_order():
    right = np.array([True, False, False, True])
    assert average_precision(np.full(4, 0.5), right) == pytest.approx(0.5)
    assert average_precision(np.array([0.9, 0.5, 0.5, 0.5]), right) == pytest.approx((1 + 2 / 4) / 2)


def test_pictures_have_the_numbers():
    figure = confusion_figure(np.array([[3, 1], [0, 2]]), ["cat", "dog"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "2"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog"]
    bars = f1_figure(np.array([1, 2]), np.array([1, 2]), np.array([2, 2]), ["cat", "dog"]).axes[0]
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([2 / 3, 1])
    assert [text.get_text() for text in bars.get_yticklabels()] == ["cat (2)", "dog (2)"]
