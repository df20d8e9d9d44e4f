"""What trainings show while they run, where there is no terminal."""

import pytest

from photism.cli import training
from photism.cli.progress import progress_bar
from photism.cli.training import TrainingProgress


@pytest.mark.parametrize(
    ("every_s", "told"), [(-1.0, ["reading the sounds: 0.50 h", "reading the sounds: 1.25 h"]), (60.0, [])]
)
def test_how_much_is_read_is_told_in_a_log(every_s, told, monkeypatch, capsys):
    monkeypatch.setattr(training, "TOLD_EVERY_S", every_s)

    with progress_bar("") as bar:
        listener = TrainingProgress(bar, lambda measures: "").listener()
        listener.stage("reading the sounds")
        listener.prepared(0.5)
        listener.prepared(1.25)
        lines = capsys.readouterr().err.splitlines()

    assert lines == told
