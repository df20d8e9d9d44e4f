from __future__ import annotations

import sys
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tqdm.std import tqdm

from photism.display import progress
from tests.support.notebook_cell import NotebookCell
from tests.support.notebook_html import Markup


class Pipeline:
    """Pipeline with the progress bar of diffusers."""

    def __init__(self, **config: Any) -> None:
        self._progress_bar_config = config

    def progress_bar(self, *, total: int) -> Any:
        return tqdm(total=total, **self._progress_bar_config)


def test_drawing_has_no_bar_in_a_script() -> None:
    with progress.notebook_progress(Pipeline(), None, steps=2) as on_step:
        assert on_step is None


def test_a_bar_of_a_notebook_does_not_stay(notebook: NotebookCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0)
    with progress.notebook_progress(Pipeline(), None, steps=2) as on_step:
        assert on_step is not None
        on_step(3, 4)
        assert notebook.shown is not None
        ((tag, values),) = Markup(notebook.shown).elements
        assert (tag, values["value"], values["max"]) == ("progress", "3", "4")
        on_step(4, 4)
    assert notebook.shown == ""


def test_a_bar_of_a_notebook_appears_late(notebook: NotebookCell) -> None:
    with progress.step_progress(Pipeline(), None, steps=2) as on_step:
        on_step(1, 4)
    assert notebook.shown is None


def test_the_pipeline_switches_the_bar_off(notebook: NotebookCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0)
    with progress.step_progress(Pipeline(disable=True), None, steps=2) as on_step:
        on_step(1, 2)
    assert notebook.shown is None


def test_elsewhere_the_bar_is_that_of_diffusers(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step_progress(Pipeline(mininterval=0), None, steps=2) as on_step:
        on_step(2, 2)
    assert "2/2" in capsys.readouterr().err


def test_a_callback_takes_the_place_of_the_bar(notebook: NotebookCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0)
    called: list[tuple[int, int]] = []
    with progress.notebook_progress(Pipeline(), lambda *steps: called.append(steps), steps=2) as on_step:
        assert on_step is not None
        on_step(1, 2)
    assert called == [(1, 2)]
    assert notebook.shown is None


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress.in_notebook()


def test_no_warning_says_that_there_are_no_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        progress.silence_widget_hints()
        warnings.warn("lance is not fork-safe. If you are using multiprocessing", stacklevel=1)
    assert "tqdm.auto" in sys.modules
