"""docs/guides: the examples of a guide run in its order, and print what is shown."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support.document_examples import ROOT, run_document

GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
TESTED_ELSEWHERE = {"http.md", "openai-clients.md"}
"""Guides whose examples run against a server, in `tests/server`."""
WITH_A_RECOGNIZER = "transcribe.md"
"""Guide whose Python needs a published checkpoint, for which one with random weights stands in."""
RECORDINGS = ("interview.mp3", "a.wav", "b.wav", "talk.wav")
"""Recordings that the Python of that guide reads."""
SUBTITLES = ("a.srt", "b.srt")
NOT_RUN = {"export.md": "import onnx_asr\n"}
"""Beginning of the Python block of a guide that does not run: no release of onnx-asr has the type of model it names.

`tests/export` runs the decoder of a release on the exported files.
"""
QUICK = {"cluster.md", "live.md", "long-recordings.md", "studio.md"}
"""Guides whose examples take a second or two."""


@pytest.fixture(scope="module")
def documents_world() -> None:
    """Need no checkpoints but the bundled ones."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=() if path.name in QUICK else pytest.mark.slow, id=path.stem)
        for path in GUIDES
        if path.name not in {*TESTED_ELSEWHERE, WITH_A_RECOGNIZER}
    ],
)
def test_the_examples_of_a_guide(path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    for recording in (ROOT / "packages").glob("*/src/*/examples/*.ogg"):
        Path(recording.name).symlink_to(recording)
    run_document(path.read_text(encoding="utf8"), monkeypatch, capfd, not_run=NOT_RUN.get(path.name))


@pytest.mark.slow
def test_the_examples_of_the_guide_to_speech_recognition(
    offline_hub: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    noise = np.random.default_rng(0).normal(0, 3000, 32_000).astype("<i2")
    for name in RECORDINGS:
        with wave.open(name, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(noise.tobytes())
    for name in SUBTITLES:
        Path(name).write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n")
    names = run_document((ROOT / "docs/guides" / WITH_A_RECOGNIZER).read_text(encoding="utf8"), monkeypatch, capfd)
    assert names["transcripts"]
