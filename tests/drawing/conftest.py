"""The pipelines that these tests draw with."""

import pytest

from photism import AudioToImagePipeline


@pytest.fixture(scope="module")
def pipeline(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")


@pytest.fixture(scope="module")
def xl(models):
    return AudioToImagePipeline.from_pretrained(models / "xl", device="cpu")
