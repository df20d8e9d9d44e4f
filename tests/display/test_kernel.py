"""The public pipelines in the kernel of a notebook: their results show themselves, and nothing else is printed."""

import json
from pathlib import Path

import pytest

from photism.examples import copy_examples
from tests.support.notebook_html import Markup

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

CELLS = [
    "import photism\nphotism.load_waveform('elephant.en.ogg')",
    "pipeline = photism.AudioToImagePipeline.from_pretrained()\npipeline('elephant.en.ogg', seed=7)",
    "photism.CaptionRanker.from_pretrained().rank('elephant.en.ogg')",
    "photism.AudioClassifier.from_pretrained()('elephant.en.ogg')",
    "next(photism.AudioEmbedder.from_pretrained().stream('elephant.en.ogg', window_s=0.4))",
    "photism.AudioLDM2Pipeline.from_pretrained()('An elephant.', seed=1, num_inference_steps=4)",
]


@pytest.mark.slow
def test_results_show_themselves_and_nothing_else_is_printed(tmp_path: Path) -> None:
    copy_examples(tmp_path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}})
    client.execute()
    for cell in notebook.cells:
        (shown,) = [each.data for each in cell.outputs if each.output_type == "execute_result"]
        assert Markup(shown["text/html"]).text.strip()
        assert len(shown["text/plain"]) < 120
        assert [each for each in cell.outputs if each.output_type == "stream"] == []
    assert len(json.dumps(notebook)) < 500_000
