"""README.md: its examples run in their order in an empty folder, and print what is shown."""

import shlex

from PIL.Image import Image

from tests.support.document_examples import ROOT, console_examples, python_examples, run_document

README = (ROOT / "README.md").read_text(encoding="utf8")


def test_the_examples_run_in_order_and_print_what_is_shown(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    names = run_document(README, monkeypatch, capfd)
    assert isinstance(names["image"], Image)


def test_every_verb_without_required_downloads_has_an_example():
    verbs = {
        "examples",
        "draw",
        "film",
        "hear",
        "label",
        "embed",
        "index",
        "search",
        "sound",
        "export",
        "serve",
        "doctor",
    }
    examples = [command for command, _ in console_examples(README) if command.startswith("photism ")]
    assert {shlex.split(command)[1] for command in examples} == verbs
    assert python_examples(README)
