"""The README's examples do what they show."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from photism.cli.main import main
from photism.tiny import MODEL_FOLDER

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
COMMANDS = re.findall(r"^\$ (photism .*)$", README, re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def folder_with_an_elephant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "src/photism/tiny/examples/elephant.en.ogg", tmp_path / "elephant.ogg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


needs_the_bundled_model = pytest.mark.skipif(
    not (MODEL_FOLDER / "model.safetensors").exists(), reason="the bundled model's weights are not complete yet"
)


@needs_the_bundled_model
@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, monkeypatch: pytest.MonkeyPatch):
    if command == "photism serve":
        command += " --help"  # it would serve until it is stopped
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert not exit_info.value.code


@needs_the_bundled_model
@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str, folder_with_an_elephant: Path):
    exec(compile(code, "README.md", "exec"), {})
    assert (folder_with_an_elephant / "elephant.png").stat().st_size > 0


def test_there_are_examples():
    assert {shlex.split(command)[1] for command in COMMANDS} == {"draw", "hear", "serve", "doctor"}
    assert PYTHON
