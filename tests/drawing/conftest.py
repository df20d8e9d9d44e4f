"""The pipelines that these tests draw with."""

import sys
from pathlib import Path

import pytest

from photism import AudioToImagePipeline

sys.path.insert(0, str(Path(__file__).parent))  # as in tests/conftest.py, for recordings


@pytest.fixture(scope="module")
def pipeline(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")


@pytest.fixture(scope="module")
def xl(models):
    return AudioToImagePipeline.from_pretrained(models / "xl", device="cpu")
