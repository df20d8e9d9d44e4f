"""The list of the models of transformers that is kept between processes."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest
from transformers.utils.import_utils import define_import_structure

from photism.deferred_imports.import_structure import Structure, kept_structure

Defined: TypeAlias = "tuple[Path, Callable[..., Structure], list[str | None]]"
STRUCTURE: Structure = {
    frozenset({"torch", "vision"}): {"models.a.modeling_a": {"A", "B"}},
    frozenset(): {"models.b": set()},
}


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Defined:
    """Return a folder of models, and the list of calls of a function that reads it."""
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(__version__="5.0.0"))
    (tmp_path / "models").mkdir()
    calls: list[str | None] = []

    def define(module_path: Any, prefix: str | None = None) -> Structure:
        calls.append(prefix)
        return STRUCTURE

    return tmp_path / "models", kept_structure(define), calls


def test_the_models_are_read_once(defined: Defined) -> None:
    folder, define, calls = defined
    assert define(folder, prefix="models") == define(folder, prefix="models") == STRUCTURE
    assert calls == ["models"]


def test_they_are_read_again_where_a_model_was_added_or_the_file_is_damaged(defined: Defined, tmp_path: Path) -> None:
    folder, define, calls = defined
    define(folder, prefix="models")
    (folder / "another").mkdir()
    assert define(folder, prefix="models") == STRUCTURE
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.write_text('[["torch"], {}]')
    assert define(folder, prefix="models") == STRUCTURE
    assert len(calls) == 3


def test_sources_that_somebody_edits_are_always_read(defined: Defined, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, define, calls = defined
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "5.1.0.dev0")
    define(folder, prefix="models")
    define(folder, prefix="models")
    define(folder / "a.py")
    assert calls == ["models", "models", None]


def _never(*_: Any, **__: Any) -> Structure:
    raise AssertionError


def test_the_list_of_transformers_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import transformers

    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    folder = Path(transformers.__file__).parent / "models"
    read = define_import_structure(folder, prefix="models")
    kept_structure(define_import_structure)(folder, prefix="models")
    assert kept_structure(_never)(folder, prefix="models") == read
