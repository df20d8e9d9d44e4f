"""The bar, and what is told while it is there."""

import io
import sys

import pytest
from rich import console

from photism.cli.progress import progress_bar

LINE = '{"file": "[b]a.wav[/b]", ' + "x" * 200 + "}\n"


@pytest.fixture
def screen(monkeypatch):
    """What the error stream's terminal shows."""
    shown, kind = io.StringIO(), console.Console
    monkeypatch.setattr(console, "Console", lambda **_: kind(file=shown, force_terminal=True, width=120))
    return shown


def test_without_a_terminal_there_is_no_bar(capsys):
    with progress_bar("hearing", 2) as bar:
        bar.heard(90)
        bar.advance()
        bar.echo(LINE)
        bar.echo("broken\n", err=True)
    assert capsys.readouterr() == (LINE, "broken\n")


def test_what_is_told_on_a_terminal_stands_above_the_bar_in_lines_of_its_own(screen, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with progress_bar("hearing", 2) as bar:
        bar.heard(90)
        bar.advance()
        bar.echo(LINE)
        bar.echo("broken\n", err=True)
    assert f"\x1b[2K{LINE}" in screen.getvalue()
    assert "\x1b[2Kbroken\n" in screen.getvalue()
    assert "1.5 min of sound" in screen.getvalue()
    assert capsys.readouterr() == ("", "")


def test_what_goes_to_a_file_does_so_beside_a_bar(screen, capsys):
    with progress_bar("hearing", 2) as bar:
        bar.echo(LINE)
    assert capsys.readouterr().out == LINE
    assert "x" * 200 not in screen.getvalue()
