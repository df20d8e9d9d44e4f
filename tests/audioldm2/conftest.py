"""The pipelines that these tests hear."""

import pytest

from tests.audioldm2.peers import load_ours, load_reference


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
