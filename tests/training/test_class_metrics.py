import numpy as np
import pytest

from photism.training.class_metrics import (
    average_precision,
    confusion_figure,
    confusion_matrix,
    f1_figure,
    multi_label_metrics,
    single_label_metrics,
)


def test_one_class_by_hand():
    # Of class 0 two are right and one is taken for 1; of 1 one is right and one is taken for 2; 3 is never predicted.
    reference, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    counts = confusion_matrix(reference, predicted, 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # F1: 2·2/(2+3), 2·1/(2+2), 2·0/(1+0); class 3 has neither clips nor predictions, and does not count.
    assert single_label_metrics(counts) == pytest.approx({"accuracy": 3 / 5, "F1": (0.8 + 0.5 + 0) / 3})


def test_several_classes_by_hand():
    reference = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)
    scores = np.array([[0.9, 0.6, 0.1], [0.3, 0.8, 0.2], [0.4, 0.1, 0.1]])
    # Predicted: {0, 1}, {1}, {}: only the third is all right. Class 0: one hit, predicted once, twice in the reference;
    # class 1: one hit, predicted twice, once in the reference; class 2 is in neither.
    found = multi_label_metrics(scores, reference)
    # Order of class 0: right, wrong, right; of class 1: right first.
    precision = ((1 + 2 / 3) / 2 + 1) / 2
    assert found == pytest.approx(
        {"accuracy": 1 / 3, "F1": 2 / 3, "micro F1": 2 * 2 / (3 + 3), "mean average precision": precision}
    )


def test_equal_scores_have_no_order():
    reference = np.array([True, False, False, True])
    assert average_precision(np.full(4, 0.5), reference) == pytest.approx(0.5)
    assert average_precision(np.array([0.9, 0.5, 0.5, 0.5]), reference) == pytest.approx((1 + 2 / 4) / 2)


def test_figures():
    figure = confusion_figure(np.array([[3, 1], [0, 2]]), ["cat", "dog"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "2"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "reference")
    bars = f1_figure(np.array([1, 2]), np.array([1, 2]), np.array([2, 2]), ["cat", "dog"]).axes[0]
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([2 / 3, 1])
    assert [text.get_text() for text in bars.get_yticklabels()] == ["cat (2)", "dog (2)"]
