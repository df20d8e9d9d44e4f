"""What a task is to a fine-tuning: what is learned of which sounds, by which loss, and how well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor

from photism.training.data.feature_dataset import Corpus
from photism.training.data.sampler import Piece


@dataclass(frozen=True)
class Batch:
    """Pieces of sounds, on the device.

    Attributes:
        pieces: B of them.
        features: float32 (B, F, width).
        mask: int64 (B, F).
    """

    pieces: Sequence[Piece]
    features: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Case:
    """A sound, or two, that was measured on.

    Attributes:
        name: of the sound.
        error: the higher, the worse.
        heard: what the model made of it.
        written: what is right.
    """

    name: str
    error: float
    heard: str
    written: str


@dataclass(frozen=True)
class Evaluation:
    """Of the validation sounds.

    Attributes:
        measures: by name.
        worst: cases, the worst first, without those that are right.
        figures: of matplotlib, by the name of their file.
    """

    measures: Mapping[str, float]
    worst: Sequence[Case] = ()
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Task(Protocol):
    """Of a corpus and settings.

    Attributes:
        corpus: of which it is.
        kind: class of the model.
        config: what its configuration has beside the encoder's.
        pipeline_tag: what the hub calls the task.
        texts: what is to be learned is called: "classes".
        hears_parts: whether of a sound that is longer than `max_duration_s` only a part is heard.
        heard_s: of a sound at most in a step.
        in_windows: whether sounds are measured whole, in windows one after the other, or from their beginning.
        clips: indices of the sounds to train on.
        validation: of those to measure on.
        texts_of: numbers of the texts of each clip of the corpus, of which one is drawn in each epoch.
    """

    corpus: Corpus
    kind: type
    config: Mapping[str, Any]
    pipeline_tag: str
    texts: str
    hears_parts: bool
    heard_s: float
    in_windows: bool
    clips: Sequence[int]
    validation: Sequence[int]
    texts_of: Sequence[Sequence[int]]

    def report(self) -> list[str]:
        """What is to be known before the training, in lines."""
        ...

    def weight(self, piece: Piece) -> float:
        """What a piece counts in the loss of its batch."""
        ...

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Of the pieces, each by its weight, added up: the loss of a batch is this over the sum of the weights."""
        ...

    def hear(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Of each piece, what `evaluate` wants to know."""
        ...

    def evaluate(self, clips: Sequence[int], heard: Sequence[NDArray[Any]]) -> Evaluation:
        """How well validation sounds were heard."""
        ...

    def score(self, measures: Mapping[str, float]) -> float:
        """The higher, the better the weights. It also takes nothing, where nothing can be measured."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what the model needs beside its weights and its feature extractor."""
        ...
