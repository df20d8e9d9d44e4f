"""Progress display of a training, where there is no terminal."""

import pytest

from photism.cli import training
from photism.cli.progress import progress_bar
from photism.cli.training import TrainingProgress


@pytest.mark.parametrize(
    ("every_s", "lines"),
    [(-1.0, ["reading the recordings: 0.50 h", "reading the recordings: 1.25 h"]), (60.0, [])],
)
def test_prepared_hours_are_printed_from_time_to_time(every_s, lines, monkeypatch, capsys):
    monkeypatch.setattr(training, "LINE_EVERY_S", every_s)
    with progress_bar("") as bar:
        listener = TrainingProgress(bar).listener()
        listener.stage("reading the recordings")
        listener.prepared(0.5)
        listener.prepared(1.25)
    assert capsys.readouterr().err.splitlines() == lines
