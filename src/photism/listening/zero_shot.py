"""Zero-shot hearing: the captions whose prompts are nearest to a sound's.

How near is the mean cosine of their tokens. Where a sound's prompt is a mixture of prompts that the model remembers,
each by its share, a caption is not compared with the mixture, whose neighbours need not be what it is mixed of, but
with each of these:

    score(caption) = SOFTNESS · log Σ share(p) · exp(cos(p, caption) / SOFTNESS)

which is the cosine where one prompt has all of the share, and the mean of cosines by share where SOFTNESS is large.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform
from photism.device import choose_device
from photism.errors import InputError
from photism.listening.batching import OnError, OnHeard, Recordings
from photism.listening.windowed_scores import Labels, Telling, labelled
from photism.listening.windows import Windows
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.metrics import sequence_similarity
from photism.prompts.model_folder import find_model, load_captions, load_halves
from photism.prompts.text import encode_text

if TYPE_CHECKING:
    from photism.drawing.pipeline import AudioToImagePipeline

CAPTIONS_AT_ONCE = 32
LISTS_KEPT = 4
SOFTNESS = 0.1
"""As chosen in recipes/tiny, among captions as the bundled model knows them and in other words."""

PLACE = "{}"
"""Where a template takes a caption."""


class HeardCaption(NamedTuple):
    """A caption and how near it is."""

    caption: str
    score: float  # from -1 to 1, where the sound is just this


class CaptionRanker:
    """Says which of some captions a sound is.

    What it compared a list of captions with is kept: make a new one where the encoder has learnt more.

    Args:
        encoder: turns sounds into prompts. It is moved to the device of `diffusion`.
        diffusion: a diffusers pipeline of the same prompt space; only what it encodes text with is used, so that the
            rest of it may be None.
        captions: what to choose among where a call names nothing else.

    Raises:
        InputError: `diffusion` has no text encoder.
    """

    def __init__(self, encoder: AudioPromptEncoder, diffusion: Any, captions: Sequence[str] = ()) -> None:
        if getattr(diffusion, "text_encoder", None) is None:
            raise InputError("diffusion must have a text encoder for captions to be compared; load it with one")
        self.encoder = encoder.to(diffusion._execution_device)
        self.diffusion = diffusion
        self.captions = tuple(captions)
        self._encoded = lru_cache(maxsize=LISTS_KEPT)(self._encode)
        self._nearness = lru_cache(maxsize=LISTS_KEPT)(self._compare_remembered)

    @classmethod
    def of(cls, pipeline: AudioToImagePipeline, captions: Sequence[str] = ()) -> CaptionRanker:
        """A ranker that shares the models of a drawing pipeline."""
        return cls(pipeline.encoder, pipeline.diffusion, captions)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        diffusion: str | Path | None = None,
        device: str | torch.device | None = None,
    ) -> CaptionRanker:
        """Loads an encoder and the text side of a diffusion pipeline, in float32.

        Args:
            model: folder or hub id, as for `AudioToImagePipeline`; by default the bundled one. Its captions are the
                default ones.
            diffusion: folder or hub id of a diffusers pipeline; by default the one that the model brings or names.
            device: by default CUDA where there is a GPU, else MPS, else the processor.

        Raises:
            InputError: something is missing, damaged, or does not fit together.
        """
        place = choose_device(device)
        encoder, text = load_halves(model, diffusion, device=place, dtype=torch.float32, text_only=True)
        return cls(encoder, text, load_captions(find_model(model)))

    def rank(
        self,
        sounds: AudioSource | Sequence[AudioSource],
        *,
        captions: Sequence[str] | None = None,
        template: str | None = None,
        top_k: int = 5,
        batch_size: int = 8,
    ) -> list[list[HeardCaption]]:
        """The nearest captions of each sound, nearest first.

        Args:
            sounds: a list of anything that `load_waveform` takes, or a single one that is not a list.
            captions: what to choose among; by default the model's. Their prompts are kept for the next call.
            template: what each caption is put into before it is read, such as "the sound of a {}".
            top_k: how many to give of each, or all where there are fewer.
            batch_size: sounds encoded at once.

        Raises:
            InputError: a sound cannot be read, there are no captions, a number is below 1, or the template has no {}.
        """
        self._check(captions, top_k, template)
        listed = cast("Sequence[AudioSource]", sounds if isinstance(sounds, list | tuple) else [sounds])
        prompts = self.encoder.encode(listed, batch_size=batch_size)
        return self.rank_prompts(prompts, captions=captions, template=template, top_k=top_k)

    def stream(
        self,
        sounds: Recordings,
        *,
        captions: Sequence[str] | None = None,
        template: str | None = None,
        windows: Windows | None = None,
        threshold: float | None = None,
        top_k: int = 5,
        batch_size: int = 8,
        num_workers: int = 2,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = 3600.0,
        on_error: OnError | None = None,
        on_heard: OnHeard | None = None,
    ) -> Iterator[Labels]:
        """What sounds are called, whole or in windows, one after the other in their order.

        Args:
            sounds: one, as `load_waveform` takes it; or a list, generator or data set of any number.
            captions: as in `rank`.
            template: likewise.
            windows: by default sounds are heard whole.
            threshold: the score from which on a window is called by its nearest caption; by default it always is.
            top_k: how many captions to give of a sound or window.
            batch_size: sounds, or windows, encoded at once.
            num_workers: sounds decoded at once, while others are encoded.
            sampling_rate: of arrays that do not bring their own, in Hz.
            max_duration_s: longer sounds are an error.
            on_error: is given the number and the error of a sound that cannot be used, which is left out; by default
                it ends the stream.
            on_heard: is told how far it is.

        Raises:
            InputError: as in `rank`.
        """
        choices = self._check(captions, top_k, template)

        def score(waveforms: Sequence[Waveform]) -> NDArray[np.floating]:
            prompts = self.encoder.encode(waveforms, batch_size=len(waveforms))
            return self.score_prompts(prompts, captions=choices, template=template).float().cpu().numpy()

        return labelled(
            sounds,
            score,
            Telling(names=choices, top_k=top_k, threshold=threshold),
            windows=windows,
            batch_size=batch_size,
            num_workers=num_workers,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            on_error=on_error,
            on_heard=on_heard,
        )

    def rank_prompts(
        self,
        prompts: AudioPrompt,
        *,
        captions: Sequence[str] | None = None,
        template: str | None = None,
        top_k: int = 5,
    ) -> list[list[HeardCaption]]:
        """The same for sounds that are prompts already.

        Args:
            prompts: as `AudioPromptEncoder.encode` makes them; mixed with a text they have no shares, and are compared
                as they are.
            captions: as in `rank`.
            template: as in `rank`.
            top_k: as in `rank`.

        Raises:
            InputError: there are no captions, `top_k` is below 1, the template has no {}, or D is not that of the
                texts.
        """
        choices = self._check(captions, top_k, template)
        scores = self.score_prompts(prompts, captions=choices, template=template)
        best = scores.topk(min(top_k, len(choices)), dim=1)
        return [
            [HeardCaption(choices[index], score) for index, score in zip(indices, values, strict=True)]
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def score_prompts(
        self, prompts: AudioPrompt, *, captions: Sequence[str] | None = None, template: str | None = None
    ) -> Tensor:
        """The scores of all M captions, in their order: float32 (B, M).

        Args:
            prompts: as in `rank_prompts`.
            captions: as in `rank`.
            template: as in `rank`.

        Raises:
            InputError: as in `rank_prompts`.
        """
        texts = _filled(template, self._check(captions, 1, template))
        if prompts.mixture_weights is None:
            return self._cosines(prompts.prompt_embeds, texts)
        nearness = self._nearness(texts)
        return SOFTNESS * (prompts.mixture_weights.to(nearness.device) @ (nearness / SOFTNESS).exp()).log()

    def _cosines(self, prompt_embeds: Tensor, texts: tuple[str, ...]) -> Tensor:
        """(B, M)."""
        # The opening token is the same for all. The text encoder is causal: its first tokens are those that an encoder
        # of fewer tokens was trained on.
        encoded = self._encoded(texts)[:, 1 : prompt_embeds.shape[1]]
        return sequence_similarity(prompt_embeds[:, 1:].to(encoded.device, encoded.dtype), encoded)

    @torch.no_grad()
    def _compare_remembered(self, texts: tuple[str, ...]) -> Tensor:
        """(prompts, M), of all that the encoder remembers."""
        return self._cosines(self.encoder.memorised_prompts().prompt_embeds, texts)

    def _check(self, captions: Sequence[str] | None, top_k: int, template: str | None) -> tuple[str, ...]:
        if isinstance(captions, str):
            raise InputError(f"captions must be a list of texts; got one text: give [{captions!r}]")
        choices = self.captions if captions is None else tuple(captions)
        if not choices:
            raise InputError("captions must hold at least one text: the model brings none, or none were given")
        if top_k < 1:
            raise InputError(f"top_k must be at least 1; got {top_k}")
        _check_template(template)
        return choices

    def _encode(self, captions: tuple[str, ...]) -> Tensor:
        """(M, S, D) float32."""
        starts = range(0, len(captions), CAPTIONS_AT_ONCE)
        return torch.cat([encode_text(self.diffusion, captions[i : i + CAPTIONS_AT_ONCE])[0] for i in starts])


def _check_template(template: str | None) -> None:
    """See whether a text can be put into this one.

    Raises:
        InputError: it has no place for it.
    """
    if template is not None and PLACE not in template:
        raise InputError(
            f'template must have {PLACE} where the caption goes, as "the sound of a {PLACE}"; got {template!r}'
        )


def _filled(template: str | None, captions: tuple[str, ...]) -> tuple[str, ...]:
    return captions if template is None else tuple(template.replace(PLACE, caption) for caption in captions)
