import sys
import warnings
from types import ModuleType, SimpleNamespace

import pytest
from tqdm.std import tqdm

from photism.display import progress


class Pipeline:
    """Pipeline with the progress bar of diffusers."""

    def __init__(self, **config: object) -> None:
        self._progress_bar_config = config

    def progress_bar(self, *, total: int):
        return tqdm(total=total, **self._progress_bar_config)


def open_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_drawing_has_a_bar_in_a_notebook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress.notebook_progress(Pipeline(), None, steps=2) as on_step:
        assert on_step is None
    open_notebook(monkeypatch)
    with progress.notebook_progress(Pipeline(), None, steps=2) as on_step:
        assert on_step is not None


def test_a_bar_of_a_notebook_appears_late_and_does_not_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_notebook(monkeypatch)
    with progress.step_progress(Pipeline(), None, steps=2) as on_step:
        on_step(1, 4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "DELAY_S", 0)
    with progress.step_progress(Pipeline(mininterval=0), None, steps=2) as on_step:
        on_step(3, 4)
        shown = capsys.readouterr().err
    assert "3/4" in shown
    assert capsys.readouterr().err.strip() == ""


def test_the_pipeline_configures_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    open_notebook(monkeypatch)
    with progress.step_progress(Pipeline(disable=True, delay=0), None, steps=2) as on_step:
        on_step(1, 2)
    assert capsys.readouterr().err == ""


def test_elsewhere_the_bar_is_that_of_diffusers(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step_progress(Pipeline(mininterval=0), None, steps=2) as on_step:
        on_step(2, 2)
    assert "2/2" in capsys.readouterr().err


def test_a_callback_takes_the_place_of_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_notebook(monkeypatch)
    called: list[tuple[int, int]] = []
    with progress.notebook_progress(Pipeline(delay=0), lambda *steps: called.append(steps), steps=2) as on_step:
        assert on_step is not None
        on_step(1, 2)
    assert called == [(1, 2)]
    assert capsys.readouterr().err == ""


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress.in_notebook()


def test_no_warning_says_that_there_are_no_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    open_notebook(monkeypatch)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        progress.silence_widget_hints()
    assert "tqdm.auto" in sys.modules
