"""Sounds to the classes of a trained classifier: Wav2Vec2-BERT by our own classes, and any other of transformers'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.log_mel import FRAMES_PER_S
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.device import choose_device, choose_dtype
from photism.encoder.chunked import longest_exact
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.errors import InputError
from photism.listening.batching import OnError, OnHeard, Recordings, is_single
from photism.listening.classifier_checkpoint import load_classifier
from photism.listening.head_states import encode_windows, extract_features
from photism.listening.transformers_classifier import Peer
from photism.listening.windowed_scores import ClassScore, Labels, Telling, labelled
from photism.listening.windows import Reading, Windows

Function: TypeAlias = Literal["softmax", "sigmoid", "none"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)


class Given(Enum):
    """That an argument was left out, where None means something."""

    NOT = "what the classifier was made with"


class AudioClassifier:
    """Says which classes a sound belongs to.

    In the place of `transformers.pipeline("audio-classification")`, with the same scores:

        classifier = AudioClassifier.from_pretrained("superb/wav2vec2-base-superb-ks")
        classifier("sound.wav")                # the five best classes, best first
        classifier(["a.wav", "b.mp3"])         # those of each
        for labels in classifier.stream(paths, windows=Windows(2, 1)):
            ...

    What a recording is called does not depend on the others of its batch.

    Args:
        model: a model for audio classification, in evaluation.
        extractor: its feature extractor.
        names: of its classes; by default those of its configuration.
        top_k: how many classes to tell, or all where there are fewer; None for all.
        function_to_apply: to the logits: "softmax", "sigmoid" or "none"; by default softmax, but sigmoid where the
            configuration's `problem_type` says that several classes may be right, and none for a regression, which a
            single class is too where nothing else is said.
        batch_size: recordings, or windows, computed at once.
        num_workers: recordings decoded at once, while others are computed.

    Raises:
        InputError: a number or name is out of range.
    """

    def __init__(
        self,
        model: Any,
        extractor: Any,
        *,
        names: Sequence[str] | None = None,
        top_k: int | None = 5,
        function_to_apply: Function | None = None,
        batch_size: int = 8,
        num_workers: int = 2,
    ) -> None:
        self.model, self.extractor = model, extractor
        self.names = tuple(names or (model.config.id2label[index] for index in range(model.config.num_labels)))
        self.top_k = top_k
        self.function_to_apply: Function | None = function_to_apply
        self.batch_size, self.num_workers = batch_size, num_workers
        self.peer = None if isinstance(model, Wav2Vec2BertForSequenceClassification) else Peer(model, extractor)
        _check(top_k, function_to_apply, batch_size, num_workers)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        top_k: int | None = 5,
        function_to_apply: Function | None = None,
        batch_size: int = 8,
        num_workers: int = 2,
    ) -> AudioClassifier:
        """Loads a checkpoint of any `AutoModelForAudioClassification`.

        Args:
            model: folder or hub id; by default the bundled one.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights: float32, float16 or bfloat16.
            top_k: as for the class, as is all that follows.
            function_to_apply: likewise.
            batch_size: likewise.
            num_workers: likewise.

        Raises:
            InputError: the checkpoint has another head, no names of classes, no feature extractor that fits, or no
                trained weights: the first three before weights are loaded.
        """
        _check(top_k, function_to_apply, batch_size, num_workers)
        loaded = load_classifier(model, device=choose_device(device), dtype=choose_dtype(dtype))
        return cls(
            loaded.model,
            loaded.extractor,
            names=loaded.names,
            top_k=top_k,
            function_to_apply=function_to_apply,
            batch_size=batch_size,
            num_workers=num_workers,
        )

    @property
    def longest_s(self) -> float | None:
        """What the model hears of a recording or window at most, as Whisper hears 30 s; None for all of it."""
        return self.peer.longest_s if self.peer else None

    def __call__(
        self,
        sounds: Recordings,
        *,
        top_k: int | Given | None = Given.NOT,
        function_to_apply: Function | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        sampling_rate: float = SAMPLING_RATE,
    ) -> list[ClassScore] | list[list[ClassScore]] | Iterator[list[ClassScore]]:
        """The best classes of whole recordings, best first.

        Args:
            sounds: one recording, as `load_waveform` takes it; or a list, generator or data set of them.
            top_k: as for the class, as are the next ones.
            function_to_apply: likewise.
            batch_size: likewise.
            num_workers: likewise.
            sampling_rate: of arrays that do not bring their own, in Hz.

        Returns:
            of one recording, a list; of a list of them, a list of lists; of anything else, an iterator of lists, which
            computes as it goes.

        Raises:
            InputError: a recording cannot be used, there are none, or a number is out of range.
        """
        found = self.stream(
            sounds,
            top_k=top_k,
            function_to_apply=function_to_apply,
            batch_size=batch_size,
            num_workers=num_workers,
            sampling_rate=sampling_rate,
        )
        answers = (list(labels.windows[0].scores) for labels in found)
        if is_single(sounds):
            return next(answers)
        return list(answers) if isinstance(sounds, list | tuple) else answers

    def stream(
        self,
        sounds: Recordings,
        *,
        windows: Windows | None = None,
        threshold: float | None = None,
        top_k: int | Given | None = Given.NOT,
        function_to_apply: Function | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = 3600.0,
        on_error: OnError | None = None,
        on_heard: OnHeard | None = None,
    ) -> Iterator[Labels]:
        """What recordings are called, whole or in windows, one after the other in their order.

        A recording of more than some minutes (`photism.encoder.longest_exact`) is heard whole by Wav2Vec2-BERT in
        overlapped windows whose states fade into each other; other architectures take it in one piece or, where memory
        does not suffice, not at all.

        Args:
            sounds: as for a call.
            windows: by default recordings are heard whole.
            threshold: that a score must reach to be told in a segment; by default 0.5 in windows of which several
                classes may be right, and none elsewhere.
            top_k: of each window, as for the class.
            function_to_apply: as for the class, as are the next ones.
            batch_size: likewise.
            num_workers: likewise.
            sampling_rate: as for a call.
            max_duration_s: longer recordings are an error.
            on_error: is given the number and the error of a recording that cannot be used, which is left out; by
                default it ends the stream.
            on_heard: is told how far it is.

        Raises:
            InputError: as for a call.
        """
        top_k = self.top_k if isinstance(top_k, Given) else top_k
        batch_size = self.batch_size if batch_size is None else batch_size
        num_workers = self.num_workers if num_workers is None else num_workers
        _check(top_k, function_to_apply, batch_size, num_workers)
        function = self._function(function_to_apply)
        telling = self._telling(function, top_k, threshold)
        return labelled(
            sounds,
            lambda waveforms: _applied(function, self.logits(waveforms)),
            telling,
            windows=windows,
            batch_size=batch_size,
            num_workers=num_workers,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            on_error=on_error,
            on_heard=on_heard,
            check=self.peer.check if self.peer else None,
        )

    @torch.no_grad()
    def logits(self, waveforms: Sequence[Waveform]) -> Tensor:
        """What the model makes of waveforms: (B, C) float32, on the processor."""
        if self.peer:
            return self.peer.logits(waveforms)
        longest = longest_exact(self.model.wav2vec2_bert)
        return torch.cat([self._logits(group, longest) for group in self._fitting(waveforms, longest)]).float().cpu()

    def _logits(self, waveforms: Sequence[Waveform], longest: int) -> Tensor:
        """Of waveforms that fit into memory together, or a single one of any length."""
        model = self.model
        features, mask = extract_features(model, self.extractor, waveforms)
        if features.shape[1] <= longest:
            return model(features, mask).logits
        states = encode_windows(model, features[:, : int(mask.sum())])
        return model.classifier(model.projector(states).mean(dim=1))

    def _fitting(self, waveforms: Sequence[Waveform], longest: int) -> Iterator[Sequence[Waveform]]:
        """In groups of no more tokens together than may be encoded at once."""
        group: list[Waveform] = []
        tokens = 0
        for waveform in waveforms:
            more = 1 + int(waveform.duration_s * FRAMES_PER_S / self.extractor.stride)
            if group and tokens + more > longest:
                yield group
                group, tokens = [], 0
            group.append(waveform)
            tokens += more
        yield group

    def _function(self, function: Function | None) -> Function:
        chosen = function or self.function_to_apply
        if chosen is not None:
            return chosen
        if self._is_regression:
            return "none"
        return "sigmoid" if self.model.config.problem_type == "multi_label_classification" else "softmax"

    @property
    def _is_regression(self) -> bool:
        problem = self.model.config.problem_type
        return problem == "regression" or (problem is None and len(self.names) == 1)

    def _telling(self, function: Function, top_k: int | None, threshold: float | None) -> Telling:
        readings: dict[Function, Reading] = {"softmax": "one", "sigmoid": "several", "none": "values"}
        reading, problem = readings[function], self.model.config.problem_type
        if function == "none" and not self._is_regression and problem != "multi_label_classification":
            reading = "one"  # logits have the order of probabilities
        return Telling(names=self.names, reading=reading, top_k=top_k, threshold=threshold)


def _check(top_k: int | None, function: str | None, batch_size: int, num_workers: int) -> None:
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k must be at least 1, or None for all; got {top_k}")
    if function is not None and function not in FUNCTIONS:
        raise InputError(f"function_to_apply must be one of {', '.join(FUNCTIONS)}; got {function!r}")
    for name, number, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
        if number < least:
            raise InputError(f"{name} must be at least {least}; got {number}")


def _applied(function: Function, logits: Tensor) -> NDArray[np.floating]:
    scores = logits
    if function == "softmax":
        scores = logits.softmax(-1)
    elif function == "sigmoid":
        scores = logits.sigmoid()
    return scores.numpy()
