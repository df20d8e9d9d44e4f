"""Decoder of CTC log-probabilities: greedy, or a beam search with hot words and a language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.decoding_options import DecodingSettings
from photism.listening.transcription.forced_alignment import align
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.kenlm_model import read_language_model
from photism.listening.transcription.transcript import TokenSpan
from photism.listening.transcription.vocabulary import Vocabulary

Decoder: TypeAlias = "Callable[[NDArray[np.float32]], list[TokenSpan]]"
"""Function from log-probabilities (F, V) to the tokens of a text and their frames."""


def make_decoder(settings: DecodingSettings, vocabulary: Vocabulary) -> Decoder:
    """Return the decoder for a model's vocabulary.

    Args:
        settings: settings of the decoder. A language model that is given as a path is read here.
        vocabulary: vocabulary of the model.

    Raises:
        InputError: a hot word has a character that the vocabulary lacks, or the language model is unreadable.
    """
    if settings.is_greedy:
        return lambda log_probs: best_path(log_probs, vocabulary)
    model, hot_words = settings.language_model, None
    if settings.hot_words:
        hot_words = HotWords.from_words(settings.hot_words, vocabulary, weight=settings.hot_word_weight)
    beam_search = BeamSearch(
        width=settings.beam_width,
        hot_words=hot_words,
        language_model=read_language_model(model) if isinstance(model, str | Path) else model,
    )
    weights = {"language_model_weight": settings.language_model_weight, "word_score": settings.word_score}
    beam_search = replace(beam_search, **{name: value for name, value in weights.items() if value is not None})

    def decode(log_probs: NDArray[np.float32]) -> list[TokenSpan]:
        """Search for the best text, and align it with the frames."""
        best = search(log_probs, vocabulary, beam_search)[0]
        return align(log_probs, best.tokens, vocabulary)

    return decode
