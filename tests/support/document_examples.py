"""Examples of a document: its code blocks, how they run, and how what they print is compared.

| block | use |
|---|---|
| `console` | Lines that begin with `$ ` are commands, which run in order. If output is shown, it is compared. |
| `python` | Runs after the blocks before it, in one namespace for the document. |
| `text` after `python` | Is what that code prints. |
| indented | Commands `photism …` that need other models or files. They do not run, but their flags must exist. |

In output that is shown, numbers are not compared, since scores differ in the last digit between CPUs, and a line `…`
stands for any lines.
"""

import functools
import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from photism.cli.app import app, main

ROOT = Path(__file__).parents[2]
HOME = "/home/ann"
"""The current folder, as the documents show it."""

BLOCK = re.compile(r"^```(console|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
INDENTED = re.compile(r"^(?:    )+(?:.*[|;] )?(?:[A-Z_]+=\S+ )*photism (.*)$", re.MULTILINE)
INLINE = re.compile(r"`photism ([^`…]*)`")
ENVIRONMENT = ("source", "pip", "git", "make", "apt")
"""Commands that make the environment in which the tests already run."""


class Block(NamedTuple):
    """A code block of a document."""

    language: str
    text: str


def blocks(document: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(document)]


def console_examples(document: str) -> list[tuple[str, str]]:
    """Return each command of a document and the output shown below it, which is empty where none is shown."""
    return [found for block in blocks(document) if block.language == "console" for found in COMMAND.findall(block.text)]


def python_examples(document: str) -> list[str]:
    return [block.text for block in blocks(document) if block.language == "python"]


def command_lines(document: str) -> list[str]:
    """Return the arguments of every command `photism` in the blocks of a document, each once."""
    console = [command.partition("photism ")[2] for command, _ in console_examples(document) if "photism " in command]
    return list(dict.fromkeys([*console, *INDENTED.findall(document)]))


def without_figures(text: str) -> str:
    """Return the text with every number replaced."""
    return re.sub(r"\d+", "#", text)


def assert_prints(printed: str, shown: str, source: str) -> None:
    """Check what was printed against the output that a document shows, up to a line feed at the end."""
    printed = printed if printed.endswith("\n") or not printed else f"{printed}\n"
    printed, shown = without_figures(printed), without_figures(shown)
    if re.search(r"^…$", shown, re.MULTILINE):
        pattern = "(?:.*\n)*".join(re.escape(part) for part in re.split(r"^…\n", shown, flags=re.MULTILINE))
        assert re.fullmatch(pattern, printed), f"{source}\n{printed}"
    else:
        assert printed == shown, source


def run_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a console command in the current folder: Photism in this process, anything else in a shell."""
    if command.startswith(ENVIRONMENT):
        return
    if command.startswith("cd "):
        monkeypatch.chdir(command.removeprefix("cd "))
        return
    if not command.startswith("photism ") or re.search(r" [|>&] ", command):
        photism = f'photism() {{ {shlex.quote(sys.executable)} -m photism "$@"; }}'
        subprocess.run(["bash", "-ec", f"{photism}\n{command}"], check=True, stdin=subprocess.DEVNULL)
        return
    arguments = shlex.split(command, comments=True)[1:]
    serves = arguments[0] == "serve"  # would run until interrupted
    monkeypatch.setattr(sys, "argv", ["photism", *arguments, *(["--help"] if serves else [])])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert not exit_info.value.code, command


def run_document(
    document: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, not_run: str | None = None
) -> dict[str, Any]:
    """Run all examples of a document in the current folder, in order, and return the names that its Python defines.

    What is shown below a command is what it prints: the messages on the error stream, then the standard output.

    Args:
        document: the document in Markdown.
        monkeypatch: replaces the arguments of the process and the current folder.
        capfd: captures what is printed.
        not_run: beginning of a Python block that is only compiled, which the document must have; None for none.
    """
    names: dict[str, Any] = {}
    shown_before = ""
    assert not_run is None or any(text.startswith(not_run) for text in python_examples(document)), not_run
    for language, text in blocks(document):
        if language == "console":
            for command, shown in COMMAND.findall(text):
                run_command(command, monkeypatch)
                captured = capfd.readouterr()
                if shown:
                    assert_prints((captured.err + captured.out).replace(str(Path.cwd()), HOME), shown, command)
        elif language == "python":
            code = compile(text, "example", "exec")
            if not_run is None or not text.startswith(not_run):
                exec(code, names)
            shown_before = capfd.readouterr().out.replace(str(Path.cwd()), HOME)
        elif language == "text":
            assert_prints(shown_before, text, "python")
    return names


def words_of(line: str) -> list[str]:
    """Return the words of a command line up to a pipe, a redirection, another command or a comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
    lexer.whitespace_split = True
    return list(itertools.takewhile(lambda word: not re.fullmatch(r"[|<>&;]+", word), lexer))


@functools.cache
def _verbs() -> Any:
    return get_command(app)


def find_verb(words: list[str]) -> tuple[Any, list[str]]:
    """Return the verb that begins a command line, which must exist, and the words after it."""
    verb = _verbs()
    while hasattr(verb, "commands") and words and not words[0].startswith("-"):
        assert words[0] in verb.commands, f"photism has no verb {words[0]!r}"
        verb, words = verb.commands[words[0]], words[1:]
    return verb, words


def parse_command(line: str) -> None:
    """Check that Photism understands a command line: its verb, its flags and the number of its arguments."""
    verb, words = find_verb(words_of(line))
    if hasattr(verb, "commands") or "--help" in words:
        _check_flags(verb, words)
    else:
        verb.make_context(verb.name, words)


def check_inline_commands(document: str) -> None:
    """Check that the verbs and flags exist which the text of a document names, as in `photism search --json`."""
    for line in INLINE.findall(document):
        _check_flags(*find_verb(words_of(line)))


def _check_flags(verb: Any, words: list[str]) -> None:
    known = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)}
    flags = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert flags <= known | {"--help", "-h"}, f"{verb.name} has no {flags - known}"
