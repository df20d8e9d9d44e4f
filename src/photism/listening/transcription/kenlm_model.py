"""Files of n-gram models: ARPA, and the binary format of the library kenlm (https://github.com/kpu/kenlm)."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.extras import install_command
from photism.listening.transcription.ngram_lm import END, LN_10, UNKNOWN, ArpaModel, known_spelling

MAGIC = b"mmap lm http://kheafield.com/code format version"
"""Bytes at the start of a binary file."""


def is_binary(path: Path) -> bool:
    """Return whether a file is a binary one of KenLM."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def has_kenlm() -> bool:
    """Return whether the library kenlm is installed."""
    return find_spec("kenlm") is not None


def read_language_model(path: str | Path, *, has_boundaries: bool = True) -> ArpaModel | KenlmModel:
    """Read a file of an n-gram model, in the format of its content.

    Args:
        path: ARPA file, which may be compressed, or binary file of KenLM.
        has_boundaries: score words after the beginning of a text, and its end.

    Raises:
        InputError: the file is neither, or is a binary file and kenlm is not installed.
    """
    read = KenlmModel if is_binary(Path(path)) else ArpaModel
    return read(path, has_boundaries=has_boundaries)


class KenlmModel:
    """N-gram model that the library kenlm reads: a binary file or an ARPA file.

    A word is looked up as it is and, if the model does not know it, in lower case and then in upper case.

    Args:
        path: the file. A binary file is mapped into memory.
        has_boundaries: score words after the beginning of a text, and its end.

    Attributes:
        path: the file. A pickled model is read from it again.

    Raises:
        InputError: kenlm is not installed, or cannot read the file.
    """

    def __init__(self, path: str | Path, *, has_boundaries: bool = True) -> None:
        if not has_kenlm():
            raise InputError(
                f"language model {path} needs the library kenlm: {install_command('kenlm')}, or give an ARPA file"
            )
        kenlm: Any = import_module("kenlm")
        self._new_state = kenlm.State
        config = kenlm.Config()
        config.show_progress = False
        try:
            self._model: Any = kenlm.Model(str(path), config)
        except (OSError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"language model {path} cannot be read by kenlm: {reason}") from None
        self.path, self._has_boundaries = Path(path), has_boundaries

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(KenlmModel, has_boundaries=self._has_boundaries), (self.path,)

    def begin(self) -> Any:
        """Return the state before the first word."""
        state = self._new_state()
        (self._model.BeginSentenceWrite if self._has_boundaries else self._model.NullContextWrite)(state)
        return state

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the natural logarithm of a word's probability, and the state after the word."""
        after = self._new_state()
        return LN_10 * self._model.BaseScore(state, known_spelling(word, self._model), after), after

    def end(self, state: Any) -> float:
        """Return the natural logarithm of the probability that the text ends here."""
        return LN_10 * self._model.BaseScore(state, END, self._new_state()) if self._has_boundaries else 0.0

    def knows(self, word: str) -> bool:
        """Return whether the model has a word in any case."""
        return known_spelling(word, self._model) != UNKNOWN
