"""docs/tutorials: each page runs in an empty folder, in its order, and prints what it shows."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.document_examples import ROOT, run_document

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
QUICK = {"draw-your-voice.md"}
"""Tutorials that take less than ten seconds on one core."""


@pytest.fixture(scope="module")
def documents_world() -> None:
    """Need no checkpoints but the bundled ones."""


@pytest.fixture(autouse=True)
def ended_servers() -> Iterator[None]:
    """End the server of a page whose run failed before it was ended."""
    yield
    for child in psutil.Process().children():
        child.terminate()


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.name in QUICK else pytest.mark.slow, id=path.stem) for path in TUTORIALS],
)
def test_a_tutorial_runs_as_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))  # of the server's certificate
    run_document(path.read_text(encoding="utf8"), monkeypatch, capfd)
