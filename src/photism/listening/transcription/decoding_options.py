"""How log-probabilities become a text: the best path, or a search with what is known of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError
from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.forced_alignment import align
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.ngram_lm import ArpaModel, LanguageModel
from photism.listening.transcription.transcript import Span
from photism.listening.transcription.vocabulary import Vocabulary

Decoder: TypeAlias = "Callable[[NDArray[np.float32]], list[Span]]"
"""Of log-probabilities (F, V)."""
BEAMS = 100
"""With hot words or a language model, where no number is given."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What a text is searched for with.

    Attributes:
        beams: texts that are kept by the search; 1: the likeliest output of each frame. By default 100 with hot words
            or a language model, and otherwise 1.
        hot_words: words, or names of several words, that are to be expected, in any case of letters.
        hot_word_weight: what each adds to the logarithm of a text's probability wherever it stands in it.
        language_model: the path of an ARPA file, or anything that does what `LanguageModel` says.
        language_model_weight: of the language model's logarithms.
        word_score: is added for each word where there is a language model.

    Raises:
        InputError: there are fewer than 1 beams, or 1 with hot words or a language model; or what is given is no list
            of words or no language model.
    """

    beams: int | None = None
    hot_words: Sequence[str] = ()
    hot_word_weight: float = 8.0
    language_model: LanguageModel | str | Path | None = None
    language_model_weight: float = 0.5
    word_score: float = 1.5

    def __post_init__(self) -> None:
        if isinstance(self.hot_words, str):
            raise InputError(f"hot_words must be a list of words; got one text: give [{self.hot_words!r}]")
        if self.beams is not None and self.beams < 1:
            raise InputError(f"beams must be at least 1; got {self.beams}")
        if self.beams == 1 and (self.hot_words or self.language_model is not None):
            raise InputError("beams must be more than 1 for hot words and a language model; got 1")
        if isinstance(self.language_model, str | Path):
            object.__setattr__(self, "language_model", ArpaModel(self.language_model))

    @property
    def width(self) -> int:
        """Of the search."""
        return self.beams or (BEAMS if self.hot_words or self.language_model is not None else 1)

    @property
    def searches(self) -> bool:
        """Or takes the likeliest output of each frame."""
        return self.width > 1

    def decoder(self, vocabulary: Vocabulary) -> Decoder:
        """For the outputs of a model.

        Raises:
            InputError: a hot word cannot be written with it.
        """
        if not self.searches:
            return lambda log_probs: best_path(log_probs, vocabulary)
        model = self.language_model
        settings = BeamSearch(
            width=self.width,
            hot_words=HotWords.of(self.hot_words, vocabulary, weight=self.hot_word_weight) if self.hot_words else None,
            language_model=None if isinstance(model, str | Path) else model,
            language_model_weight=self.language_model_weight,
            word_score=self.word_score,
        )

        def decode(log_probs: NDArray[np.float32]) -> list[Span]:
            best = search(log_probs, vocabulary, settings)[0]
            return align(log_probs, best.outputs, vocabulary, met=best.met)

        return decode
