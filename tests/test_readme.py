"""The examples in the README, docs/architecture.md and docs/guides/collections.md run, and print what is shown."""

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import Image

from photism.cli.app import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
COLLECTIONS = (ROOT / "docs/guides/collections.md").read_text(encoding="utf8")


def console_examples(document: str) -> list[tuple[str, str]]:
    """Return each command of a document and the output shown below it, which is empty where none is shown."""
    blocks = re.findall(r"^```console\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)


def python_examples(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL)


EXAMPLES = console_examples(README)
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf8")
PYTHON = python_examples(README + ARCHITECTURE)


def without_figures(text: str) -> str:
    """Return the text with every number replaced, since scores differ in the last digit between CPUs."""
    return re.sub(r"\d+", "#", text)


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one console command in the current folder; `source` is skipped, since the environment is active."""
    program, *arguments = shlex.split(command)
    if program == "mkdir":
        Path(arguments[0]).mkdir()
    elif program == "cp":
        for path in ROOT.glob(arguments[0]):
            shutil.copy(path, arguments[1])
    elif program == "photism":
        serves = arguments == ["serve"]  # would run until interrupted
        monkeypatch.setattr(sys, "argv", ["photism", *arguments, *(["--help"] if serves else [])])
        with pytest.raises(SystemExit) as exit_info:
            main()
        assert not exit_info.value.code, command
    else:
        assert program == "source"


def check_examples(
    examples: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run commands in the current folder, which is the guides' /home/ann, and compare what they print."""
    for command, shown in examples:
        run(command, monkeypatch)
        captured = capsys.readouterr()
        messages = [line for line in captured.err.splitlines(keepends=True) if line.startswith("photism: ")]
        printed = "".join(messages) + captured.out.replace(str(Path.cwd()), "/home/ann")
        if shown:
            assert without_figures(printed) == without_figures(shown), command


def test_console_examples_run_in_order_and_print_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    check_examples(EXAMPLES, monkeypatch, capsys)


def test_the_guide_to_collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    check_examples(console_examples(COLLECTIONS), monkeypatch, capsys)
    (code,) = python_examples(COLLECTIONS)
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    assert str(names["summary"]) == "6 of 6 recordings were processed"
    assert names["captions"]["kind"].tolist() == ["animal", "fruit"]
    assert names["hit"].row["kind"] == "animal"


@pytest.mark.parametrize("code", PYTHON)
def test_python_example_makes_an_image_or_labels(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    copy = next(command for command, _ in EXAMPLES if command.startswith("cp "))
    run(copy, monkeypatch)
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    if "labels" in names:
        assert [(each["label"], round(each["score"], 2)) for each in names["labels"]] == [
            ("English", 0.95),
            ("Catalan", 0.03),
        ]
    else:
        assert isinstance(names["image"], Image)


def test_every_verb_without_required_downloads_has_an_example():
    verbs = {"draw", "film", "hear", "label", "embed", "index", "search", "sound", "export", "serve", "doctor"}
    assert {shlex.split(command)[1] for command, _ in EXAMPLES if command.startswith("photism ")} == verbs
    assert PYTHON
