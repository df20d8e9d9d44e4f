"""docs/index.md, docs/glossary.md and docs/concepts: their examples run, and print what is shown."""

import pytest

from tests.support.document_examples import ROOT, run_document

PAGES = ("index.md", "glossary.md", "concepts/prompt-space.md", "concepts/exactness.md", "concepts/time-axis.md")


@pytest.fixture(scope="module")
def documents_world() -> None:
    """Need no checkpoints but the bundled ones."""


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page(page, monkeypatch, capfd):
    run_document((ROOT / "docs" / page).read_text(encoding="utf8"), monkeypatch, capfd)
