"""The help of the verbs: its groups, and lines that fit into terminals of any width."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command

from photism.cli.app import app
from photism.cli.help_text import HEADINGS


def find_verbs(command, path=()):
    """Return every command, groups included, by its words."""
    found = {path: command}
    for name, each in getattr(command, "commands", {}).items():
        found |= find_verbs(each, (*path, name))
    return found


VERBS = find_verbs(get_command(app))
FLAG_ROW = re.compile(r"  (-\S[^ ]*(?:, -\S+)*(?: \S+)?)(?:  +(\S.*))?")


def shown_help(monkeypatch, path, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    command = VERBS[path]
    return command.get_help(command.context_class(command, info_name=" ".join(("photism", *path))))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal_and_none_is_lost(path, monkeypatch):
    words = None
    for columns in (60, 80, 120, 200):
        lines = shown_help(monkeypatch, path, columns).splitlines()
        assert [line for line in lines if len(line) >= columns] == []
        unwrapped = [word for word in " ".join(lines).split() if word != "\\"]
        assert words in (None, unwrapped)  # no word is broken, and none is cut off
        words = unwrapped


def test_a_terminal_narrower_or_wider_than_all_has_the_nearest_width(monkeypatch):
    for columns, nearest in ((10, 60), (500, 200)):
        assert shown_help(monkeypatch, ("film",), columns) == shown_help(monkeypatch, ("film",), nearest)


def test_a_pipe_has_lines_of_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = subprocess.run([sys.executable, "-m", "photism", "hear", "-h"], capture_output=True, text=True, check=True)
    widest = max(map(len, shown.stdout.splitlines()))
    assert 70 < widest < 80


@pytest.mark.parametrize(
    ("verb", "groups"),
    [
        ("draw", ["Input", "Output", "Model", "Prompt", "Images", "Generation", "Speed", "Other"]),
        ("film", ["Input", "Output", "Model", "Prompt", "Images", "Generation", "Motion", "Speed", "Other"]),
        ("hear", ["Input", "Output", "Model", "Analysis", "Speed", "Other"]),
        ("search", ["Query", "Input", "Output", "Model", "Analysis", "Speed", "Other"]),
        ("align", ["Input", "Output", "Model", "Objective", "Training", "Evaluation", "Speed", "Other"]),
        ("serve", ["Input", "Model", "Generation", "Address", "Access", "Limits", "Speed", "Other"]),
    ],
)
def test_the_flags_of_a_verb_are_in_groups(verb, groups, monkeypatch):
    shown = shown_help(monkeypatch, (verb,), 80)
    headings = re.findall(r"^(\w+):$", shown, re.MULTILINE)
    assert [each for each in headings if each in HEADINGS] == groups
    assert headings[-1] == "Examples"


def test_flags_have_their_value_their_text_and_both_forms(monkeypatch):
    shown = shown_help(monkeypatch, ("draw",), 120)
    assert "\n  -o, --output FILE|FOLDER            Image file, or a folder" in shown
    assert "\n  --text-place blend|before|after|START:STOP\n      " in shown
    assert "\n  --[no-]adapter " in shown_help(monkeypatch, ("finetune", "ctc"), 120)


def test_an_example_that_is_longer_than_a_line_goes_on_in_the_next(monkeypatch):
    assert shown_help(monkeypatch, ("transcribe",), 60).endswith(
        "\nExamples:\n"
        "  photism transcribe elephant.en.ogg \\\n"
        "      --model facebook/wav2vec2-base-960h\n"
        "  photism transcribe '*.ogg' \\\n"
        "      --model facebook/wav2vec2-base-960h -o texts/"
    )


def test_verbs_are_listed_in_groups_with_their_whole_first_paragraph(monkeypatch):
    shown = shown_help(monkeypatch, (), 80)
    headings = re.findall(r"^([A-Z][\w ]+):$", shown, re.MULTILINE)
    assert headings == [
        "Draw and film",
        "Recognise",
        "Search a collection",
        "Train and export",
        "Serve and check",
        "Other",
    ]
    assert "..." not in shown.partition("\n")[2]
    assert "\n  draw        Generate images from recordings.\n" in shown
