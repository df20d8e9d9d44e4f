"""The notebooks of docs/tutorials are those of their pages, with outputs."""

import json
from pathlib import Path

import pytest

from docs.make_notebooks import Cell, cells
from tests.support.document_examples import ROOT

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
LARGEST_BYTES = 200_000


@pytest.fixture(scope="module")
def documents_world() -> None:
    """Need no checkpoints."""


def test_blocks_become_cells():
    console = "```console\n$ photism examples\n6 recordings\n$ ls\n```"
    python = "```python\nprint(1)\n```\n\n```text\n1\n```"
    page = f"# Title\n\n{console}\n\nThen:\n\n{python}\n"
    title, start, *others = cells(page)
    assert title == Cell("markdown", "# Title")
    assert start.kind == "code"
    assert others == [
        Cell("code", "!photism examples\n!ls"),
        Cell("markdown", "Then:"),
        Cell("code", "print(1)"),
    ]


@pytest.mark.parametrize("page", TUTORIALS, ids=[page.stem for page in TUTORIALS])
def test_a_notebook_has_the_cells_of_its_page_and_their_outputs(page: Path):
    path = page.with_suffix(".ipynb")
    notebook = json.loads(path.read_text(encoding="utf8"))
    made = [Cell(each["cell_type"], each["source"]) for each in notebook["cells"]]
    assert made == cells(page.read_text(encoding="utf8")), f"run docs/make_notebooks.py {page.stem}"
    outputs = [output for each in notebook["cells"] for output in each.get("outputs", ())]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert path.stat().st_size < LARGEST_BYTES
