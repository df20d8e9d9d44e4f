"""The progress bar, and lines that are printed above it."""

import io
import sys

import pytest
import typer
from rich import console

from photism import InputError
from photism.cli.progress import progress_bar, recordings_bar

LINE = '{"file": "[b]a.wav[/b]", ' + "x" * 200 + "}\n"


@pytest.fixture
def screen(monkeypatch):
    """Return what the terminal of the error stream shows."""
    shown, kind = io.StringIO(), console.Console
    monkeypatch.setattr(console, "Console", lambda **_: kind(file=shown, force_terminal=True, width=120))
    return shown


def test_without_a_terminal_there_is_no_bar(capsys):
    with recordings_bar("encoding", 2) as bar:
        bar.advance(0, 30, 90)
        bar.advance(0, 90, 90)
        bar.echo(LINE)
    assert capsys.readouterr() == (LINE, "")


def test_output_on_a_terminal_is_printed_above_the_bar(screen, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    def encode():
        with recordings_bar("encoding", 2) as bar:
            bar.advance(0, 30, 90)
            bar.advance(0, 90, 90)
            bar.echo(LINE)
            bar.skip(1, InputError("it\nis broken"))
            # A skipped recording counts as done.
            assert bar.completed == pytest.approx(2)

    with pytest.raises(typer.Exit) as exit_info:
        encode()
    assert exit_info.value.exit_code == 2
    assert f"\x1b[2K{LINE}" in screen.getvalue()
    assert "\x1b[2Kphotism: skipped it is broken\n" in screen.getvalue()
    assert "1.5 min of audio" in screen.getvalue()
    assert capsys.readouterr() == ("", "photism: 1 of 2 recordings were processed\n")


def test_output_to_a_file_is_not_shown_by_the_bar(screen, capsys):
    with recordings_bar("encoding", 2) as bar:
        bar.echo(LINE)
    assert capsys.readouterr().out == LINE
    assert "x" * 200 not in screen.getvalue()


def test_the_next_stage_begins_without_the_total_of_the_last_one():
    with progress_bar("preparing", quiet=True) as bar:
        bar.update(8, 10)
        bar.restart(completed=5)
        task = bar._progress.tasks[0]
        assert (task.description, task.completed, task.total) == ("preparing", 5, 10)
        bar.restart("training")
        assert (task.description, task.completed, task.total) == ("training", 0, None)
