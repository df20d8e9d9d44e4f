"""The command `photism` itself: help, version, and what a mistake looks like."""

import subprocess
import sys
from pathlib import Path

import pytest

from photism import InputError, __version__
from photism.cli import app as command


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["photism", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    return exit_info.value.code


@pytest.fixture
def failing_verb(monkeypatch: pytest.MonkeyPatch):
    """Give `photism` one more verb, `fail`, that raises the error it is handed."""
    before = list(command.app.registered_commands)

    def add(error: BaseException) -> None:
        @command.app.command("fail")
        def fail() -> None:
            raise error

    yield add
    command.app.registered_commands[:] = before


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_verb(monkeypatch, capsys, arguments):
    assert not run(monkeypatch, *arguments)
    printed = capsys.readouterr().out
    for verb in ("draw", "hear", "serve", "doctor"):
        assert f"\n  {verb} " in printed


def test_version(monkeypatch, capsys):
    assert not run(monkeypatch, "--version")
    assert capsys.readouterr().out == f"photism {__version__}\n"


def test_an_unknown_verb_is_one_line_and_status_2(monkeypatch, capsys):
    assert run(monkeypatch, "docter") == 2
    assert capsys.readouterr().err == "photism: No such command 'docter'. Did you mean 'doctor'?\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("steps: at least 1,\n    not 0"), "photism: steps: at least 1, not 0\n"),
        (FileExistsError("koala.png exists"), "photism: koala.png exists\n"),
        (
            PermissionError(13, "Permission denied", "/koala.png"),
            "photism: [Errno 13] Permission denied: '/koala.png'\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_status_2(monkeypatch, capsys, failing_verb, error, line):
    failing_verb(error)
    assert run(monkeypatch, "fail") == 2
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_an_interruption_is_status_130_without_a_word(monkeypatch, capsys, failing_verb):
    failing_verb(KeyboardInterrupt())
    assert run(monkeypatch, "fail") == 130
    assert capsys.readouterr().err == ""


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch, failing_verb):
    failing_verb(ValueError("a bug"))
    monkeypatch.setattr(sys, "argv", ["photism", "fail"])
    with pytest.raises(ValueError, match="a bug"):
        command.main()


def test_the_installed_command_is_this_one():
    command_path = Path(sys.executable).with_name("photism")
    shown = subprocess.run([command_path, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"photism {__version__}\n"
