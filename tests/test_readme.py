"""README.md: its examples run in their order in an empty folder, print what is shown, and every verb has one."""

import re
import shlex

import pytest
from PIL.Image import Image
from typer.main import get_command

from photism.cli.app import app
from tests.support.document_examples import ROOT, console_examples, run_command, run_document

README = (ROOT / "README.md").read_text(encoding="utf8")
EXAMPLES = re.findall(r"^\| \[`.*\| `(photism .*)` \|$", README, re.MULTILINE)
"""The commands in the tables, one for each verb."""
NEEDS_A_MODEL = ("transcribe", "speakers")


def verb_of(command):
    return shlex.split(command)[1]


def test_the_examples_run_in_order_and_print_what_is_shown(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    names = run_document(README, monkeypatch, capfd)
    assert isinstance(names["image"], Image)


@pytest.mark.slow
def test_the_commands_of_the_table_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("photism examples", *(each for each in EXAMPLES if verb_of(each) not in NEEDS_A_MODEL)):
        run_command(command, monkeypatch)
    written = {path.name for path in tmp_path.iterdir()}
    assert {
        "banana.es-2.png",
        "butterfly.ca.mp4",
        "vectors.npz",
        "sounds.lance",
        "rain",
        "kinds",
        "language.onnx",
    } <= written


def test_every_verb_has_an_example():
    shown = {verb_of(command) for command, _ in console_examples(README) if command.startswith("photism ")}
    assert shown | {verb_of(command) for command in EXAMPLES} == set(get_command(app).commands)


def test_the_readme_is_short():
    assert len(README.splitlines()) < 150
