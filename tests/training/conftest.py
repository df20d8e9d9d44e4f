"""Labelled recordings, and trainings of a few steps."""

import pytest

from photism.training.logging import Listener
from photism.training.run import train
from tests.support.captioned_sounds import write_sound

CLASSES = ("bell", "drum", "horn")


@pytest.fixture(scope="session")
def classed(tmp_path_factory):
    """A folder with six training and two validation clips of each of three classes, of 0.5 to 0.85 s, in folders."""
    folder = tmp_path_factory.mktemp("classed")
    for index, name in enumerate(CLASSES):
        for number in range(8):
            split = "train" if number < 6 else "test"
            write_sound(folder / split / name / f"{number}.wav", index + 6 * number, seconds=0.5 + 0.05 * number)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of data sets and caption embeddings; the first test that needs one prepares it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def few_steps(bare_encoder):
    """Settings of a short training."""
    return {
        "encoder": str(bare_encoder),
        "batch_size": 6,
        "epochs": 2.0,
        "learning_rate": 1e-2,
        "precision": "fp32",
        "evaluate_every": 3,
        "cpu": True,
    }


@pytest.fixture
def run(cache, monkeypatch):
    """A function that trains and returns the reported lines."""

    def run(settings, **arguments):
        monkeypatch.setenv("PHOTISM_CACHE", str(cache))
        lines = []
        assert train(settings, listener=Listener(report=lines.extend), **arguments)
        return lines

    return run
