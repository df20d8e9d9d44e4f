"""Vectors of recordings or their windows, by which they are compared with each other and with texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.level import SignalLevel
from photism.audio.waveform import SAMPLING_RATE
from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.listening.batching import OnError, OnProgress, Recordings, read_ahead
from photism.listening.prompt_vectors import PromptVectors
from photism.listening.settings import EmbeddingSettings, EmbedModelSettings, EmbedSettings, VectorKind
from photism.listening.vector_models import load_vector_model
from photism.listening.vectors import Vector, VectorModel, unit_vectors
from photism.listening.windowed_results import WindowResults, summarise_recordings
from photism.listening.zero_shot import RankedCaption
from photism.prompts.caption_translations import Meaning
from photism.settings import accepts


@dataclass(frozen=True, eq=False)
class Embedded:
    """Vectors of one recording.

    Attributes:
        number: index of the recording among the given ones, from 0.
        duration_s: duration of the recording.
        windows: start and end in seconds of its W windows; a single one if the whole recording has one vector.
        vectors: float32 (W, D) of unit length: dot products are cosines.
        level: level of the recording.
        known: for each window, whether the model knows its sound; None if it cannot tell.
        captions: for each window, the captions nearest to it, if the embedder ranks them.
    """

    number: int
    duration_s: float
    windows: tuple[tuple[float, float], ...]
    vectors: NDArray[np.float32]
    level: SignalLevel
    known: tuple[bool | None, ...]
    captions: tuple[tuple[RankedCaption, ...], ...]

    def __repr__(self) -> str:
        return short_repr(self, number=self.number, duration_s=self.duration_s, vectors=self.vectors)

    def _repr_html_(self) -> str:
        from photism.listening.embedded_html import embedded_html

        return embedded_html(self.windows, self.vectors, self.captions)


class AudioEmbedder:
    """Compute vectors of recordings whose dot products say how similar they are.

        embedder = AudioEmbedder.from_pretrained()
        vectors = embedder.embed(["owl.wav", "dog.wav"])              # (2, D), of unit length
        similarity = vectors @ embedder.embed_texts(["an owl"]).T     # (2, 1)

    The vectors of a recording do not depend on the others in its batch.

    Args:
        model: computes the vectors.
        kind: kind of the vectors.
        settings: settings of `EmbeddingSettings`.

    Raises:
        SettingError: a setting is out of range.
    """

    @accepts(EmbeddingSettings)
    def __init__(self, model: VectorModel, *, kind: VectorKind, **settings: Any) -> None:
        self.model, self.kind = model, kind
        self.settings = EmbeddingSettings(**settings)

    @classmethod
    @accepts(EmbeddingSettings)
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        kind: VectorKind | None = None,
        layer: int | None = None,
        diffusion: str | Path | None = None,
        caption_count: int = 0,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        **settings: Any,
    ) -> AudioEmbedder:
        """Load a model of vectors.

        Args:
            model: folder or hub id of a Photism model or any Wav2Vec2-BERT; by default the bundled model.
            kind: "prompt", vectors that are comparable with texts, of a Photism model; "mean", the mean over time of a
                layer of any Wav2Vec2-BERT; "xvector", speaker embeddings of a Wav2Vec2BertForXVector. By default the
                one that the model is made for, or "mean" with a `layer`.
            layer: layer of "mean", as `hidden_states` are counted, from the end if negative; by default the last.
            diffusion: folder or hub id of the diffusers pipeline whose text encoder is used by "prompt"; by default the
                model's own.
            caption_count: number of captions nearest to each recording or window that "prompt" returns along with its
                vector.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
            dtype: dtype of the weights of the audio encoder: float32, float16 or bfloat16.
            settings: settings of `EmbeddingSettings`.

        Raises:
            InputError: the model does not exist, is damaged, or is not one for this kind of vectors.
            SettingError: a setting is out of range, is of another kind, or there is no such layer.
        """
        EmbeddingSettings(**settings)  # raises an error before anything is loaded
        chosen = EmbedModelSettings(
            model=None if model is None else str(model),
            kind=kind,
            layer=layer,
            diffusion=None if diffusion is None else str(diffusion),
        )
        found, loaded = load_vector_model(chosen, device=device, dtype=dtype, caption_count=caption_count)
        return cls(loaded, kind=found, **settings)

    @property
    def width(self) -> int:
        """D, number of values of a vector."""
        return self.model.width

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that determines a vector: the weights, the kind and the layer.

        It does not depend on the device, and not on the dtype that the weights were loaded in, although vectors in half
        precision differ by some thousandths.
        """
        return self.model.fingerprint

    @accepts(EmbedSettings)
    def stream(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> Iterator[Embedded]:
        """Embed recordings, whole or in windows, and yield their vectors in the order of the recordings.

        A recording in which there is nothing to hear is reported as a `RecordingWarning`. Of kind "xvector" it is
        treated as an unreadable one: it would be as close to any other such recording as two of one voice are.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch, and while a long recording is encoded.
            changes: settings of `EmbedSettings` that differ from the embedder's.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no recordings.
            SettingError: a setting is out of range.
        """
        settings = EmbedSettings(**{**vars(self.settings), **changes})
        found = read_ahead(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=settings.num_workers,
            refuse_silence=self.model.refuses_silence,
            on_error=on_error,
        )
        return summarise_recordings(
            found,
            self.model.embed,
            self.model.embed_long,
            _join,
            settings,
            on_error=on_error,
            on_progress=on_progress,
        )

    def embed(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        on_progress: OnProgress | None = None,
    ) -> NDArray[np.float32]:
        """Return the vectors of whole recordings, float32 (B, D) of unit length.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            on_progress: called after each batch.

        Raises:
            InputError: a recording is unreadable, or there are none.
        """
        found = self.stream(recordings, sampling_rate=sampling_rate, on_progress=on_progress)
        return np.concatenate([np.empty((0, self.width), np.float32), *(each.vectors for each in found)])

    def embed_texts(self, texts: Sequence[str], *, literal: bool = False) -> NDArray[np.float32]:
        """Return the vectors of texts, float32 (M, D) of unit length, comparable with those of recordings.

        Texts are in the language of the model's text encoder. One in another language has the vector of the captions
        that `find_meanings` returns for it.

        Args:
            texts: the texts.
            literal: leave all texts to the text encoder, also those in another language.

        Raises:
            InputError: the vectors are of another kind than "prompt", or there are no texts.
        """
        return unit_vectors(self._text_model(texts).embed_texts(texts, literal=literal), torch.float32)

    def find_meanings(self, texts: Sequence[str]) -> list[Meaning | None]:
        """Return for each text the captions of the model that it stands for, because it is a translation of them.

        Without translations in the model's folder, and for any other text, it is None: the text is taken as it is.

        Raises:
            InputError: the vectors are of another kind than "prompt", or there are no texts.
        """
        return [self._text_model(texts).ranker.translations.find(text) for text in texts]

    def _text_model(self, texts: Sequence[str]) -> PromptVectors:
        """Return the model of prompts, after checking that there is one, and texts."""
        if not isinstance(self.model, PromptVectors):
            raise InputError(
                f"texts cannot be compared with vectors of kind {self.kind!r}; use a Photism model and kind 'prompt'"
            )
        if isinstance(texts, str) or not texts:
            raise InputError(f"texts must be a list of at least one text; got {texts!r}")
        return self.model


def _join(windows: WindowResults[Vector]) -> Embedded:
    """Join the vectors of the windows of one recording."""
    found = list(windows)
    first, vectors = found[0][0], [vector for _, vector in found]
    return Embedded(
        number=first.number,
        duration_s=first.sample_count / SAMPLING_RATE,
        windows=tuple((crop.window.start / SAMPLING_RATE, crop.window.stop / SAMPLING_RATE) for crop, _ in found),
        vectors=np.stack([vector.values for vector in vectors]),
        level=first.level,
        known=tuple(vector.known for vector in vectors),
        captions=tuple(vector.captions for vector in vectors),
    )
