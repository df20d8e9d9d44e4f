"""The progress bar, and lines that are printed above it."""

import io
import sys

import pytest
import typer
from rich import console

from photism import InputError
from photism.cli.progress import end_with_skipped, format_duration, format_speed, progress_bar, recordings_bar

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
        bar.finish(0, 90)
        bar.echo(LINE)
    assert capsys.readouterr() == (LINE, "")


class Clock:
    """A clock that is set by hand."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_without_a_terminal_there_is_a_line_every_30_seconds(capsys):
    clock = Clock()

    def encode():
        with recordings_bar("encoding", None, clock=clock) as bar:
            clock.now_s += 100  # the model is loaded
            bar.begin(4000)
            for _ in range(1000):
                bar.pass_done()
            for second in range(1, 61):
                clock.now_s += 1
                for number in range(10 * second, 10 * second + 10):
                    bar.advance(number, 12, 36)
                    bar.finish(number, 36)
            bar.advance(700, 18, 36)
            bar.skip(701, InputError("701.wav: broken"))
            clock.now_s += 30
            bar.finish(700, 36)
            # Nothing is held of a recording that is done.
            assert not bar._in_progress

    encode()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "photism: 1,290 of 4,000 recordings (32.2%), 2.9 h of audio, 0.097 h/s, about 4.7 min left",
        "photism: 1,590 of 4,000 recordings (39.8%), 5.9 h of audio, 0.098 h/s, about 4.1 min left",
        "photism: skipped 701.wav: broken",
        "photism: 1,602 of 4,000 recordings (40.1%), 6.0 h of audio, 0.067 h/s, 1 error, about 6.0 min left",
    ]


def test_a_line_of_an_unknown_number_of_recordings(capsys):
    clock = Clock()
    with recordings_bar("encoding", None, clock=clock) as bar:
        clock.now_s += 30
        bar.advance(0, 30, 60)
    assert capsys.readouterr().err == "photism: 0 recordings, 30 s of audio, 0.00028 h/s\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (90, "1.5 min"), (5e6, "1,388.9 h")])
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("speed", "text"), [(0.36, "0.00010 h/s"), (101, "0.028 h/s"), (36000, "10 h/s")])
def test_speeds(speed, text):
    assert format_speed(speed) == text


def test_output_on_a_terminal_is_printed_above_the_bar(screen, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    def encode():
        with recordings_bar("encoding", 2) as bar:
            bar.advance(0, 30, 90)
            bar.finish(0, 90)
            bar.echo(LINE)
            bar.skip(1, InputError("it\nis broken"))
            # A skipped recording counts as done.
            assert bar.completed == pytest.approx(2)
        end_with_skipped(bar.skipped, bar.count)

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
