"""N-gram language models of words: ARPA files, and the interface of any language model."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from photism.errors import InputError

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
UNKNOWN_LOG10 = -10.0
"""Log10 probability of an unknown word if the model has no entry for `<unk>`."""
LN_10 = math.log(10)
SPACES = re.compile(r"[ \t]+")
"""Separators of an ARPA file; other spaces, such as U+00A0, are parts of words."""


class LanguageModel(Protocol):
    """Interface of a language model. A state stands for the words so far; equal states can be compared."""

    def begin(self) -> Any:
        """Return the state before the first word."""
        ...

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the natural logarithm of a word's probability, and the state after the word."""
        ...

    def end(self, state: Any) -> float:
        """Return the natural logarithm of the probability that the text ends here."""
        ...


def known_spelling(word: str, known: Container[str]) -> str:
    """Return a word as it is or, if only those are known, in lower or upper case; `UNKNOWN` if none is known."""
    return next((each for each in (word, word.lower(), word.upper()) if each in known), UNKNOWN)


class ArpaModel:
    """N-gram model with back-off, as SRILM, KenLM and others write it.

    A word is looked up as it is and, if the model does not know it, in lower case and then in upper case.

    Args:
        path: ARPA file in UTF-8, or the same compressed with gzip (`.gz`). The model takes about 200 bytes of memory
            per n-gram.
        has_boundaries: score words after the beginning of a text, and its end.

    Attributes:
        path: the file. A pickled model is read from it again.
        order: number of words in the longest n-grams.

    Raises:
        InputError: the file is not an ARPA file.

    Source: https://www.cs.cmu.edu/~dorcas/speech-docs/ARPA-format.html, and `ngram-format(5)` of SRILM.
    """

    def __init__(self, path: str | Path, *, has_boundaries: bool = True) -> None:
        self.path, self.order = Path(path), 0
        self._has_boundaries = has_boundaries
        self._n_grams: dict[
            str, tuple[float, float]
        ] = {}  # by words joined with spaces: log10 probability, and back-off weight
        try:
            for order, line in _lines(Path(path)):
                self.order = max(self.order, order)
                self._add(line, order)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"language model {path} must be an ARPA file, .arpa or .arpa.gz: {reason}") from None
        if not self._n_grams:
            raise InputError(f"language model {path} must be an ARPA file, .arpa or .arpa.gz; it has no n-grams")

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ArpaModel, has_boundaries=self._has_boundaries), (self.path,)

    def begin(self) -> tuple[str, ...]:
        """Return the state before the first word."""
        return (BEGIN,)[: self.order - 1] if self._has_boundaries else ()

    def score(self, state: tuple[str, ...], word: str) -> tuple[float, tuple[str, ...]]:
        """Return the natural logarithm of a word's probability, and the state after the word."""
        known = known_spelling(word, self._n_grams)
        after = (*state, known)[1 - self.order :] if self.order > 1 else ()
        return LN_10 * self._log10(state, known), after

    def end(self, state: tuple[str, ...]) -> float:
        """Return the natural logarithm of the probability that the text ends here."""
        return LN_10 * self._log10(state, END) if self._has_boundaries and END in self._n_grams else 0.0

    def knows(self, word: str) -> bool:
        """Return whether the model has a word in any case."""
        return known_spelling(word, self._n_grams) != UNKNOWN

    def _log10(self, words: tuple[str, ...], word: str) -> float:
        """Return the log10 probability of a word after others: the longest n-gram's, plus the back-off weights."""
        back_off = 0.0
        for start in range(len(words) + 1):
            before = words[start:]
            found = self._n_grams.get(" ".join((*before, word)))
            if found is not None:
                return back_off + found[0]
            if before:
                back_off += self._n_grams.get(" ".join(before), (0.0, 0.0))[1]
        return back_off + UNKNOWN_LOG10

    def _add(self, line: str, order: int) -> None:
        fields = SPACES.split(line)
        if len(fields) not in (order + 1, order + 2):
            raise ValueError(f"{line!r} is not an n-gram of {order} words")
        back_off = float(fields[order + 1]) if len(fields) == order + 2 else 0.0
        self._n_grams[" ".join(fields[1 : order + 1])] = float(fields[0]), back_off


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of n-grams, with their order n."""
    with (
        gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file
    ):
        order = None
        begun = False
        for line in file:
            line = line.strip(" \t\r\n")
            if line == "\\data\\":
                begun = True
            elif line == "\\end\\" and begun:
                return
            elif begun and line.startswith("\\") and line.endswith("-grams:"):
                order = int(line[1 : -len("-grams:")])
            elif order and line:
                yield order, line
        raise ValueError("it is truncated" if begun else "it has no line \\data\\")
