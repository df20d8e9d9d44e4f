"""Verbs that are imported when they are used, and whose help is read from their source until then."""

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from photism.cli import lazy_verbs
from photism.cli.app import Verbs, app
from photism.cli.lazy_verbs import read_help

HEAVY = ("av", "diffusers", "huggingface_hub", "matplotlib", "numpy", "PIL", "soxr", "torch", "transformers", "yaml")
NAMES = [name for names in Verbs.lazy_verbs.values() for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_in_the_source_of_a_verb_is_its_help(name: str) -> None:
    program: Any = get_command(app)
    assert read_help(name) == program.commands[name].help


def test_the_list_is_the_same_where_there_are_no_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    group: Any = get_command(app)
    listed = list(group.list_verbs())
    assert [name for name, *_ in listed] == NAMES
    monkeypatch.setattr(lazy_verbs, "read_help", {}.get)
    assert list(group.list_verbs()) == listed


def test_a_verb_imports_its_own_module_the_list_none_and_both_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from photism.cli.app import app\n"
        "for words in (['--help'], ['hear', '--help']):\n"
        "    app(words, standalone_mode=False)\n"
        f"    print([name for name in {NAMES} if 'photism.cli.' + name in sys.modules])\n"
        f"assert not [name for name in {HEAVY} if name in sys.modules]\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line for line in shown.stdout.splitlines() if line.startswith("[")] == ["[]", "['hear']"]
