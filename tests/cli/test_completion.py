"""What a shell completes: verbs, flags and values, and names of files where nothing else can follow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photism.cli.app import app

COMMAND = Path(sys.executable).with_name("photism")


def completed(words, *, shell="fish"):
    """Return what typer answers to a shell, one candidate a line."""
    environment = {
        "_PHOTISM_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words.rpartition(" ")[2],
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return CliRunner().invoke(app, [], env=environment, prog_name="photism").stdout.splitlines()


def candidates(words):
    return [line.partition("\t")[0] for line in completed(words) if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("photism d", ["draw", "doctor"]),
        ("photism finetune c", ["classify", "ctc"]),
        ("photism draw --ste", ["--steps"]),
        ("photism draw a.ogg --strength 1 --stre", []),
        ("photism finetune ctc --no-ada", ["--no-adapter"]),
        ("photism hear --format ", ["table", "json", "csv", "audacity"]),
        ("photism draw --dtype f", ["float32", "float16"]),
        ("photism draw --text-place ", ["blend", "before", "after"]),
        ("photism hear --ray ", ["auto"]),
        ("photism align --recipe a", ["audio2img"]),
        ("photism draw a", []),  # the shell completes files
        ("photism draw --image a", []),
    ],
)
def test_verbs_flags_and_values_are_completed(words, expected):
    assert candidates(words) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
@pytest.mark.parametrize("words", ["photism ", "photism draw --", "photism finetune ctc --", "photism serve --"])
def test_each_candidate_is_one_line_with_a_summary(shell, words):
    lines = completed(words, shell=shell)
    assert len(lines) > 15
    for line in lines:
        assert {"zsh": '":"', "fish": "\t", "powershell": ":::"}[shell] in line
        assert "[" not in line


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_asks_for_candidates_and_completes_files_where_there_are_none():
    shown = subprocess.run(
        [COMMAND, "--show-completion", "bash"],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    script = f"""{shown.stdout}
complete -p photism
COMP_WORDS=(photism draw elephant.en.ogg --dtype b); COMP_CWORD=4
_photism_completion {COMMAND}
echo "${{COMPREPLY[@]}}"
COMP_WORDS=(photism draw ele); COMP_CWORD=2
_photism_completion {COMMAND}
echo "${{#COMPREPLY[@]}}"
"""
    found = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["complete -o default -F _photism_completion photism", "bfloat16", "0"]


def test_completing_imports_no_heavy_library():
    code = (
        "import atexit, sys\n"
        "heavy = ('av', 'diffusers', 'numpy', 'PIL', 'torch', 'transformers')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        "from photism.cli.app import app\n"
        "app(prog_name='photism')"
    )
    environment = {**os.environ, "_PHOTISM_COMPLETE": "complete_bash", "COMP_WORDS": "photism dr", "COMP_CWORD": "1"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == "draw\n[]\n"
