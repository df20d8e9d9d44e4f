"""The language model that a checkpoint brings along, in the layout that pyctcdecode saves.

Its folder `language_model` has the n-gram model, `attrs.json` with its weights, and `unigrams.txt` with its words. The
scores are those of pyctcdecode (https://github.com/kensho-technologies/pyctcdecode), which transformers uses.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from photism.encoder.pretrained import Checkpoint
from photism.errors import InputError, ModelWarning
from photism.extras import install_command
from photism.hub import fetch_files
from photism.listening.transcription.decoding_options import DecodingSettings
from photism.listening.transcription.kenlm_model import has_kenlm, is_binary, read_language_model
from photism.listening.transcription.ngram_lm import LN_10, LanguageModel

Decoding = TypeVar("Decoding", bound=DecodingSettings)

FOLDER = "language_model"
ATTRIBUTES, WORDS = "attrs.json", "unigrams.txt"


class WordModel(LanguageModel, Protocol):
    """A language model that knows its words."""

    def knows(self, word: str) -> bool:
        """Return whether the model has a word in any case."""
        ...


@dataclass(frozen=True)
class CheckpointModel:
    """Location and weights of the language model of a checkpoint.

    Attributes:
        checkpoint: the checkpoint.
        weight: weight of its log-probabilities.
        word_score: bonus for each word.
        unknown_score: log10 probability that is added for an unknown word.
        has_boundaries: the beginning and the end of a text are scored.
    """

    checkpoint: Checkpoint
    weight: float
    word_score: float
    unknown_score: float
    has_boundaries: bool

    @property
    def obstacle(self) -> str | None:
        """Reason why the model cannot be used here; None if it can."""
        if has_kenlm() or any(not is_binary(path) for path in self._model_files(self.checkpoint.folder / FOLDER)):
            return None
        install = install_command("kenlm")
        return f"{self.checkpoint.name} has a language model, which is not used: it needs kenlm, {install}"

    @cached_property
    def model(self) -> LanguageModel:
        """The model, which is read when it is first needed, after fetching it if the checkpoint is on the hub.

        Raises:
            InputError: it is missing or unreadable.
        """
        folder = self.checkpoint.folder / FOLDER
        if self.checkpoint.hub_id is not None:
            patterns = (*self.checkpoint.patterns, f"{FOLDER}/*")
            folder = fetch_files(self.checkpoint.parameter, self.checkpoint.hub_id, patterns) / FOLDER
        files = self._model_files(folder)
        if len(files) != 1:
            names = ", ".join(path.name for path in files) or "none"
            raise InputError(f"{folder} must have one file with an n-gram model; it has {names}")
        words = folder / WORDS
        unigrams = frozenset(words.read_text(encoding="utf8").splitlines()) if words.is_file() else frozenset[str]()
        model = read_language_model(files[0], has_boundaries=self.has_boundaries)
        return _WithUnknownScore(model, unigrams, self.unknown_score)

    @staticmethod
    def _model_files(folder: Path) -> list[Path]:
        return sorted(path for path in folder.glob("[!.]*") if path.is_file() and path.name not in (ATTRIBUTES, WORDS))


def find_language_model(checkpoint: Checkpoint) -> CheckpointModel | None:
    """Return the language model of a checkpoint, without reading the model itself; None if it has none.

    Raises:
        InputError: its attrs.json is unreadable.
    """
    path = checkpoint.folder / FOLDER / ATTRIBUTES
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf8"))
        return CheckpointModel(
            checkpoint,
            weight=float(values.get("alpha", 0.5)),
            word_score=float(values.get("beta", 1.5)),
            unknown_score=float(values.get("unk_score_offset", -10.0)),
            has_boundaries=bool(values.get("score_boundary", True)),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} must be a JSON object of numbers: {error}") from None


def with_language_model(settings: Decoding, own: CheckpointModel | None) -> Decoding:
    """Return settings with the language model of a checkpoint, unless they have another one or decode greedily.

    A warning reports that the model cannot be used.

    Args:
        settings: settings of the decoder.
        own: language model of the checkpoint, if it has one.

    Raises:
        InputError: the model is missing or unreadable.
    """
    if own is None or settings.language_model is not None or settings.beams == 1:
        return settings
    if own.obstacle is not None:
        warnings.warn(own.obstacle, ModelWarning, stacklevel=3)
        return settings
    weight, word_score = settings.language_model_weight, settings.word_score
    return replace(
        settings,
        language_model=own.model,
        language_model_weight=own.weight if weight is None else weight,
        word_score=own.word_score if word_score is None else word_score,
    )


class _WithUnknownScore:
    """A language model in which unknown words are less probable."""

    def __init__(self, model: WordModel, words: Collection[str], unknown_score: float) -> None:
        self._model, self._words, self._unknown_score = model, words, unknown_score
        self.begin, self.end = model.begin, model.end

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the natural logarithm of a word's probability, and the state after the word."""
        log_prob, after = self._model.score(state, word)
        is_listed = not self._words or any(each in self._words for each in (word, word.lower(), word.upper()))
        return log_prob if is_listed and self._model.knows(word) else log_prob + LN_10 * self._unknown_score, after
