"""Tiny models with speaker heads, and recordings."""

import numpy as np
import pytest

from tests.support.speaker_models import make_speaker_model


@pytest.fixture(scope="session")
def x_vectors(tmp_path_factory):
    """Folder of a model of x-vectors."""
    return make_speaker_model(tmp_path_factory.mktemp("x-vectors"), "XVector")


@pytest.fixture(scope="session")
def frame_classifier(tmp_path_factory):
    """Folder of a model that classifies frames."""
    return make_speaker_model(tmp_path_factory.mktemp("frames"), "AudioFrameClassification")


@pytest.fixture
def noises():
    """Five recordings of noise of different lengths."""
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(n)).astype(np.float32) for n in (16_000, 9_000, 400, 12_345, 23_000)]
