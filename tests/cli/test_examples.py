"""photism examples: what it copies and prints, and that the commands which it prints run."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from photism.cli.app import app
from photism.cli.examples import TRY

COPIED = (
    "6 recordings of spoken names: banana.es.ogg, butterfly.ca.ogg, dolphin.ro.ogg, elephant.en.ogg, "
    "strawberry.fr.ogg, tomato.ru.ogg",
    "metadata.csv: their captions and labels",
)
LINES = [f"  {line}" for line in TRY]


def test_the_recordings_and_what_to_try_are_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["examples"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [*COPIED, "", "Try:", *LINES]
    assert len(list(tmp_path.glob("*.ogg"))) == 6


def test_of_another_folder_the_first_command_enters_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["examples", "my sounds"])
    assert result.output.splitlines() == [*COPIED, "", "Try:", "  cd 'my sounds'", *LINES]
    assert len(list(Path("my sounds").glob("*.ogg"))) == 6


@pytest.mark.parametrize("line", TRY)
def test_what_to_try_is_a_command_line_of_an_example(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["examples"])
    program, verb, *words = shlex.split(line)
    assert program == "photism"
    get_command(app).commands[verb].make_context(verb, list(words))
    assert verb == "captions" or (tmp_path / words[0]).is_file()


@pytest.mark.slow
def test_what_to_try_runs(tmp_path):
    for line in ("photism examples", *TRY):
        program, *words = shlex.split(line)
        subprocess.run([sys.executable, "-m", program, *words], cwd=tmp_path, check=True, capture_output=True)
    assert {"elephant.en.png", "butterfly.ca.mp4"} <= {path.name for path in tmp_path.iterdir()}
