"""All documents: the commands in them exist, with the flags that they have there."""

from pathlib import Path

import pytest

from tests.support.document_examples import ROOT, check_inline_commands, command_lines, parse_command

PATTERNS = ("*.md", "docs/**/*.md", "packages/**/*.md", "benchmarks/*.md", "recipes/*/*.md")
DOCUMENTS = [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]


@pytest.fixture(scope="module")
def documents_world() -> None:
    """Need no checkpoints."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=[path.relative_to(ROOT).as_posix() for path in DOCUMENTS])
def test_the_commands_of_a_document_exist(path: Path):
    document = path.read_text(encoding="utf8")
    for line in command_lines(document):
        parse_command(line)
    check_inline_commands(document)
