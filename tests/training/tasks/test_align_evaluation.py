"""Metrics of an alignment, computed by hand."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from photism.training.settings import AlignSettings
from photism.training.task import Batch
from photism.training.tasks.align import AlignTask


def make_task(captions_of):
    """Return a task on clips with these captions, one of three, whose embeddings are three axes."""
    axes = torch.eye(3)[:, None]  # (3, 1, 3)
    text = SimpleNamespace(
        space=None,
        captions=("one", "two", "three"),
        ids=list,
        tokens=lambda ids, count: axes[ids][:, :count],
    )
    clips = [SimpleNamespace(name=f"{number}.wav", texts=own) for number, own in enumerate(captions_of)]
    dataset = SimpleNamespace(clips=clips, split=lambda name: list(range(len(clips))))
    return AlignTask(AlignSettings(data="-", output="-", pictures=0), dataset, text, torch.device("cpu"))


def test_a_prediction_is_pickled_without_the_rest_of_its_batch():
    task = make_task([[0]])
    prompt = SimpleNamespace(prompt_embeds=torch.ones(16, 2, 300), pooled_prompt_embeds=torch.ones(16, 200))
    predictions = task.predict(lambda features, mask: prompt, Batch([], torch.ones(16, 1), torch.ones(16, 1), {}))
    assert len(predictions) == 16
    assert len(pickle.dumps(predictions[3])) < 2 * 4 * (300 + 200)


def test_metrics_and_errors():
    # Three captions on three axes; clip 0 is right, clip 1 is nearest to caption 0, clip 2 has two right captions.
    task = make_task([[0], [1], [1, 2]])
    tokens = torch.tensor([[[2.0, 0, 0]], [[1.0, 0.5, 0]], [[0, 0, 3.0]]])
    found = task.evaluate([0, 1, 2], [(each,) for each in tokens])
    metrics = found.metrics
    assert metrics["audio to text: R@1"] == pytest.approx(2 / 3)
    assert metrics["audio to text: R@5"] == 1
    assert metrics["audio to text: median rank"] == 1
    assert metrics["text to audio: R@1"] == pytest.approx(1)
    # Lengths of the differences: (1, 0, 0), (1, -.5, 0) and, from the first of its captions, (0, -1, 3).
    assert metrics["Euclidean distance"] == pytest.approx((1 + 1.25**0.5 + 10**0.5) / 3)
    assert metrics["mean squared error"] == pytest.approx((1 + 1.25 + 10) / 9)
    assert found.summary() == "R@1 0.667  R@5 1.000  R@10 1.000  median rank 1.000"
    assert task.score(metrics) == 1
    (case,) = found.worst
    assert (case.name, case.error, case.prediction, case.reference) == ("1.wav", 1, "one", "two")
    figure = found.figures["similarity"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[0], [1, 0, 0], atol=1e-6)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["one", "two", "two"]
