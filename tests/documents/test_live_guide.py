"""docs/guides/live.md: its example in Python runs, and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from photism.cli.app import app
from photism.hub import bundled_model

GUIDE = (Path(__file__).parents[2] / "docs/guides/live.md").read_text(encoding="utf8")


def test_the_example_draws_a_known_word(monkeypatch, capsys):
    monkeypatch.chdir(bundled_model() / "examples")
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(compile(code, "live.md", "exec"), {})
    assert capsys.readouterr().out == "True (128, 128)\n"


@pytest.mark.parametrize("line", re.findall(r"photism live(.*)", "\n".join(re.findall(r"^    (.*)$", GUIDE, re.M))))
def test_the_commands_are_understood(line):
    command = get_command(app).commands["live"]
    command.make_context("live", shlex.split(line))
