"""The command `photism`: help, version, errors and exit statuses."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from photism import InputError, __version__
from photism.cli import app as command
from photism.cli.exit_status import ExitStatus, diagnose
from photism.cli.flags import add_verb


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["photism", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    return exit_info.value.code


@pytest.fixture
def failing_verb(monkeypatch: pytest.MonkeyPatch):
    """Return a function that adds a verb `fail`, which raises an error."""
    before = list(command.app.registered_commands)

    def add(error: BaseException) -> None:
        def fail() -> None:
            """Fail."""
            raise error

        add_verb(command.app, fail)

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
    assert capsys.readouterr().err == "photism: there is no command docter of photism; did you mean doctor?\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("steps: at least 1,\n    not 0"), "photism: steps: at least 1, not 0\n"),
        (FileExistsError("koala.png exists"), "photism: koala.png exists\n"),
        (
            PermissionError(13, "Permission denied", "/koala.png"),
            "photism: /koala.png: permission denied\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_status_2(monkeypatch, capsys, failing_verb, error, line):
    failing_verb(error)
    assert run(monkeypatch, "fail") == 2
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_an_interruption_is_status_130_and_prints_nothing(monkeypatch, capsys, failing_verb):
    failing_verb(KeyboardInterrupt())
    assert run(monkeypatch, "fail") == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            ValueError("a bug\nin two lines"),
            70,
            "photism: this is a bug in Photism: ValueError: a bug; run with --debug and report the traceback\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", command.__file__ + ".json"),
            70,
            "photism: this is a bug in Photism: FileNotFoundError: [Errno 2] No such file or directory: "
            f"'{command.__file__}.json'; run with --debug and report the traceback\n",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            71,
            "photism: out of memory (OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB): use shorter "
            "recordings, a smaller --batch-size or fewer --processes, or free memory\n",
        ),
        (
            BrokenProcessPool("a process was terminated abruptly"),
            71,
            "photism: out of memory (BrokenProcessPool: a process was terminated abruptly): use shorter recordings, a "
            "smaller --batch-size or fewer --processes, or free memory\n",
        ),
        (
            OSError(28, "No space left on device", "a.png"),
            71,
            "photism: a.png: no space left on device; free disk space, or write to another disk\n",
        ),
        (
            OSError(28, "No space left on device"),
            71,
            "photism: no space left on device; free disk space, or write to another disk\n",
        ),
        (
            SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
            71,
            "photism: SafetensorError: Error while serializing: I/O error: No space left on device (os error 28); free "
            "disk space, or write to another disk\n",
        ),
        (
            OSError("LanceError(IO): No space left on device (os error 28)"),  # without a number
            71,
            "photism: LanceError(IO): No space left on device (os error 28); free disk space, or write to another "
            "disk\n",
        ),
        (
            ModuleNotFoundError("No module named 'av'"),
            1,
            "photism: No module named 'av'; `photism doctor` says what is missing and how to install it\n",
        ),
    ],
)
def test_what_is_not_the_users_mistake_has_its_own_status(monkeypatch, capsys, failing_verb, error, status, line):
    failing_verb(error)
    assert run(monkeypatch, "fail") == status
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_a_worker_that_was_killed_is_reported_as_a_lack_of_memory():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(BrokenProcessPool) as error:
        pool.submit(os._exit, 9).result()
    assert diagnose(error.value)[0] is ExitStatus.NO_RESOURCES


@pytest.mark.parametrize("arguments", [("--debug", "fail"), ("fail", "--debug")])
@pytest.mark.parametrize(("error", "status"), [(ValueError("a bug"), 70), (InputError("a mistake"), 2)])
def test_debug_shows_the_traceback(monkeypatch, capsys, failing_verb, arguments, error, status):
    failing_verb(error)
    assert run(monkeypatch, *arguments) == status
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last)")
    assert f"{error}\n" in shown
    assert shown.splitlines()[-1].startswith("photism: ")


def test_the_help_names_the_statuses_that_it_exits_with(monkeypatch, capsys):
    assert not run(monkeypatch, "--help")
    shown = " ".join(capsys.readouterr().out.split())
    for status in ExitStatus:
        assert f" {status.value} " in shown.partition("Exit status:")[2]


def test_the_installed_command_is_this_one():
    command_path = Path(sys.executable).with_name("photism")
    shown = subprocess.run([command_path, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"photism {__version__}\n"
