"""Tiny classifiers, and recordings."""

import numpy as np
import pytest

from tests.support.classifiers import make_classifier

LENGTHS = (16_000, 9_000, 23_001)


@pytest.fixture(scope="session")
def classifiers(tmp_path_factory):
    """Function that returns the folder of a classifier, by its name in `tests.support.classifiers`."""
    folder = tmp_path_factory.mktemp("classifiers")

    def classifier(name):
        return folder / name if (folder / name).is_dir() else make_classifier(folder / name, name)

    return classifier


@pytest.fixture(scope="session")
def recordings():
    """Three recordings of noise, of .6 to 1.4 s."""
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(n) * np.hanning(n)).astype(np.float32) for n in LENGTHS]
