"""The progress bar of a training in a notebook."""

import re
from pathlib import Path
from typing import Any

import pytest

from photism.display import progress
from photism.training.logging import Listener
from photism.training.run import train
from photism.training.settings import ClassifySettings
from tests.support.notebook_cell import NotebookCell
from tests.support.notebook_html import Markup


@pytest.mark.parametrize("is_given", [False, True])
def test_a_training_shows_a_bar_unless_it_is_given_callbacks(
    is_given: bool,
    notebook: NotebookCell,
    classed: Path,
    few_steps: dict[str, Any],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHOTISM_CACHE", str(cache))
    monkeypatch.setattr(progress, "DELAY_S", 0)
    monkeypatch.setattr(progress, "INTERVAL_S", 0)
    settings = ClassifySettings(data=str(classed), output=str(tmp_path / "model"), **few_steps)
    assert train(settings, listener=Listener() if is_given else None)
    if is_given:
        assert notebook.history == []
        return
    texts = [Markup(html).text.strip() for html in notebook.history]
    assert "reading the recordings" in texts
    assert re.fullmatch(r"6 of 6 steps, loss \d+\.\d{4}, 0:00:00 left", texts[-3])
    assert texts[-2:] == ["writing the model", ""]
