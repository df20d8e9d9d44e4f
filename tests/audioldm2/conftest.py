"""The pipelines that these tests hear."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not, and peers stands here

from peers import load_ours, load_reference


@pytest.fixture(scope="package")
def ours(sound_models):
    return load_ours(sound_models / "sound")


@pytest.fixture(scope="package")
def reference(sound_models):
    """diffusers', with the language model that it still runs with."""
    return load_reference(sound_models / "sound-lm")


@pytest.fixture(scope="package")
def speaking(sound_models):
    return load_ours(sound_models / "speech")


@pytest.fixture(scope="package")
def speaking_reference(sound_models):
    return load_reference(sound_models / "speech-lm")
