"""docs/guides: the examples of a guide run in its order, and print what is shown."""

from pathlib import Path

import pytest

from tests.support.document_examples import ROOT, run_document

GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
TESTED_ELSEWHERE = {"http.md", "openai-clients.md"}
"""Guides with tests of their own, in `tests/server`."""
WITHOUT_PYTHON = {"align.md", "export.md", "finetune.md", "sound.md", "transcribe.md"}
"""Guides with code in Python that needs a training or other checkpoints."""
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
        if path.name not in TESTED_ELSEWHERE
    ],
)
def test_the_examples_of_a_guide(path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    for recording in (ROOT / "packages").glob("*/src/*/examples/*.ogg"):
        Path(recording.name).symlink_to(recording)
    run_document(path.read_text(encoding="utf8"), monkeypatch, capfd, runs_python=path.name not in WITHOUT_PYTHON)
