"""Labelled sounds, and what a fine-tuning of a few steps is given."""

import pytest

from photism.training.heads.run import finetune
from photism.training.monitor import Listener
from tests.support.captioned_sounds import write_sound

CLASSES = ("bell", "drum", "horn")


@pytest.fixture(scope="session")
def classed(tmp_path_factory):
    """Six sounds to train on and two to measure on of each of three classes, of .5 to .85 s, in folders."""
    folder = tmp_path_factory.mktemp("classed")
    for index, name in enumerate(CLASSES):
        for number in range(8):
            split = "train" if number < 6 else "test"
            write_sound(folder / split / name / f"{number}.wav", index + 6 * number, seconds=0.5 + 0.05 * number)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Of corpora: each is prepared by the first test that needs it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def few_steps(bare_encoder):
    """Settings that are quick."""
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
    """Fine-tunes, and returns the lines that are told."""

    def run(settings, **arguments):
        monkeypatch.setenv("PHOTISM_CACHE", str(cache))
        lines = []
        assert finetune(settings, listener=Listener(report=lines.extend), **arguments)
        return lines

    return run
