"""Docstrings: their examples run, and print what is shown."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import photism

ROOT = Path(photism.__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(ROOT.glob("photism/**/*.py"))
    if ">>>" in path.read_text(encoding="utf8")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module(module):
    assert doctest.testmod(import_module(module)).failed == 0


def test_there_are_examples():
    assert "photism.audio.log_mel" in MODULES
