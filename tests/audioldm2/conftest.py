"""Pipelines with tiny random weights, ours and those of diffusers."""

import pytest

from tests.audioldm2.peers import load_ours, load_reference


@pytest.fixture(scope="package")
def ours(sound_models):
    return load_ours(sound_models / "sound")


@pytest.fixture(scope="package")
def reference(sound_models):
    """Return the pipeline of diffusers, with the layout of the language model on which it does not fail."""
    return load_reference(sound_models / "sound-lm")


@pytest.fixture(scope="package")
def speech(sound_models):
    return load_ours(sound_models / "speech")


@pytest.fixture(scope="package")
def speech_reference(sound_models):
    return load_reference(sound_models / "speech-lm")
