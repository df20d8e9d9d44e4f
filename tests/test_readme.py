"""The README's examples do what they show."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from photism.cli.app import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
COMMANDS = re.findall(r"^\$ (photism .*)$", README, re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def folder_with_sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("elephant.en.ogg", "banana.es.ogg"):
        shutil.copy(ROOT / "src/photism/tiny/examples" / name, tmp_path / f"{name.partition('.')[0]}.ogg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, monkeypatch: pytest.MonkeyPatch):
    if command == "photism serve":
        command += " --help"  # it would serve until it is stopped
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    if "--image" in command:
        Image.new("RGB", (128, 128)).save("elephant.png")  # which another command draws
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert not exit_info.value.code


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str, folder_with_sounds: Path):
    exec(compile(code, "README.md", "exec"), {})
    assert (folder_with_sounds / "elephant.png").stat().st_size > 0


def test_there_are_examples():
    verbs = {"draw", "film", "hear", "label", "sound", "serve", "doctor"}
    assert {shlex.split(command)[1] for command in COMMANDS} == verbs
    assert PYTHON
