"""Zero-shot classification: rank captions by the similarity of their prompts to a recording's prompt.

The similarity of two prompts is the mean cosine of their tokens. The prompt of a recording may be a mixture of prompts
that the model has memorised, with mixture weights w(p). The neighbours of such a mixture need not be what it is mixed
from, so each caption is compared with the memorised prompts instead:

    score(caption) = T · log Σ w(p) · exp(cos(p, caption) / T)

with the temperature T = MIXTURE_TEMPERATURE. This is the cosine if one prompt has all the weight, and approaches the
weighted mean of the cosines for a high temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from photism.audio.long_recording import LongRecording
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform
from photism.cancellation import cancellable_steps
from photism.display.scores import Ranking, Rankings
from photism.errors import InputError
from photism.listening.batching import OnError, OnProgress, Recordings, read_ahead
from photism.listening.caption_cache import encoded_captions
from photism.listening.settings import CAPTION_FIELD, HearSettings, RankSettings
from photism.listening.windowed_scores import LabelPolicy, Labels, Scored, label_recordings
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.caption_translations import CaptionTranslations
from photism.prompts.cut_text import report_cut_texts
from photism.prompts.metrics import sequence_similarity
from photism.prompts.model_folder import load_models
from photism.prompts.plain_text import user_text
from photism.prompts.settings import PipelineSettings
from photism.prompts.text import encode_text
from photism.settings import accepts

CAPTION_BATCH_SIZE = 32
CACHED_LISTS = 4
"""Number of caption lists whose encodings are kept."""
MIXTURE_TEMPERATURE = 0.1
"""Temperature chosen in recipes/tiny, for captions as the bundled model knows them and in other words."""


class RankedCaption(TypedDict):
    """A caption and its score, from -1 to 1, as an object of JSON.

    Attributes:
        caption: the caption.
        score: its cosine similarity with the recording, -1 to 1.
    """

    caption: str
    score: float


class CaptionRanker:
    """Rank captions by their similarity to recordings.

    The encodings of recent caption lists are kept: make a new ranker after training the encoder further. Those of
    `captions` are also kept in the user's cache, for other processes.

    Args:
        encoder: encodes recordings as prompts.
        diffusion: a diffusers pipeline of the same prompt space, of which only the text encoder and the tokenizer are
            used; its other models may be None.
        captions: default captions to rank.
        translations: these captions in other languages; by default there are none.

    Raises:
        InputError: `diffusion` has no text encoder.
    """

    def __init__(
        self,
        encoder: AudioPromptEncoder,
        diffusion: Any,
        captions: Sequence[str] = (),
        *,
        translations: CaptionTranslations | None = None,
    ) -> None:
        if getattr(diffusion, "text_encoder", None) is None:
            raise InputError("diffusion must have a text encoder to encode captions; load the pipeline with one")
        self.encoder = encoder.to(diffusion._execution_device)
        self.diffusion = diffusion
        self.captions = tuple(captions)
        self.translations = translations or CaptionTranslations(self.captions, {})
        self._encoded = lru_cache(maxsize=CACHED_LISTS)(self._encode_once)
        self._memorised_cosines = lru_cache(maxsize=CACHED_LISTS)(self._compare_memorised)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        diffusion: str | Path | None = None,
        device: str | torch.device | None = None,
    ) -> CaptionRanker:
        """Load an encoder and the text encoder of a diffusion pipeline, in float32.

        Args:
            model: folder or hub id of a Photism model; by default the bundled one. Its captions are the default.
            diffusion: folder or hub id of a diffusers pipeline; by default the one that the model contains or names.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.

        Raises:
            InputError: a model does not exist, is damaged, or does not match the other.
        """
        settings = PipelineSettings(model=model, diffusion=diffusion, device=device)
        models = load_models(settings, text_only=True)
        return cls(models.encoder, models.diffusion, models.captions, translations=models.translations)

    @accepts(RankSettings)
    def rank(
        self,
        recordings: AudioSource | Sequence[AudioSource],
        *,
        captions: Sequence[str] | None = None,
        **settings: Any,
    ) -> Rankings[RankedCaption]:
        """Return the nearest captions of each recording, nearest first.

        Args:
            recordings: a list of anything that `load_waveform` accepts, or a single recording that is not a list.
            captions: captions to rank; by default the model's. Their encodings are kept for the next call.
            settings: settings of `RankSettings`.

        Raises:
            InputError: a recording is unreadable, or there are no captions.
            SettingError: a setting is out of range.
        """
        chosen = RankSettings(**settings)
        self._choose_captions(captions)  # raises an error before anything is encoded
        listed = cast("Sequence[AudioSource]", recordings if isinstance(recordings, list | tuple) else [recordings])
        prompts = self.encoder.encode(listed, batch_size=chosen.batch_size)
        return self.rank_prompts(prompts, captions=captions, template=chosen.template, top_k=chosen.top_k)

    @accepts(HearSettings)
    def stream(
        self,
        recordings: Recordings,
        *,
        captions: Sequence[str] | None = None,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Iterator[Labels]:
        """Rank captions for recordings, whole or in windows, and yield the results in order.

        Where the model does not know the sound, `Labels.known` is False and there are no segments, whichever captions
        are ranked; the ranking is in `Labels.windows`.

        Args:
            recordings: one recording, as `load_waveform` accepts it; or a list, generator or dataset of recordings.
            captions: captions to rank; by default the model's.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch, and while a long recording is scored.
            settings: settings of `HearSettings`.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no recordings or captions.
            SettingError: a setting is out of range.
        """
        chosen = HearSettings(**settings)
        names = self._choose_captions(captions)
        self._encoded(_fill(chosen.template, names))  # raises an error before anything is read

        def score_each(prompts: AudioPrompt) -> list[Scored]:
            """Return the scores (M,) of each prompt, and whether its sound is known."""
            scores = self.score_prompts(prompts, captions=names, template=chosen.template).float().cpu().numpy()
            return [Scored(*row) for row in zip(scores, prompts.known, strict=True)]

        def score(batch: Sequence[Waveform]) -> list[Scored]:
            """Return the scores of a batch of waveforms."""
            return score_each(self.encoder.encode(batch, batch_size=len(batch)))

        def score_long(recording: LongRecording, report: Callable[[float], None]) -> Scored:
            """Return the scores of a long recording."""
            return score_each(self.encoder.encode([recording], on_progress=report))[0]

        policy = LabelPolicy(names=names, problem_type="single_label", top_k=chosen.top_k, threshold=chosen.threshold)
        found = read_ahead(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=chosen.num_workers,
            on_error=on_error,
        )
        return label_recordings(found, score, score_long, policy, chosen, on_error=on_error, on_progress=on_progress)

    def rank_prompts(
        self,
        prompts: AudioPrompt,
        *,
        captions: Sequence[str] | None = None,
        template: str | None = None,
        top_k: int | None = 5,
    ) -> Rankings[RankedCaption]:
        """Return the nearest captions of each prompt, nearest first.

        Args:
            prompts: prompts from `AudioPromptEncoder.encode`. Without mixture weights, as after blending with a text,
                the prompts themselves are compared.
            captions: captions to rank; by default the model's.
            template: text that each caption is put into.
            top_k: maximum number of captions; None for all.

        Raises:
            InputError: there are no captions, or the prompts have another width than the text encoder's.
            SettingError: a setting is out of range.
        """
        top_k = RankSettings(top_k=top_k).top_k
        choices = self._choose_captions(captions)
        scores = self.score_prompts(prompts, captions=choices, template=template)
        best = scores.topk(min(top_k or len(choices), len(choices)), dim=1)
        return Rankings(
            Ranking(RankedCaption(caption=choices[index], score=score) for index, score in zip(*row, strict=True))
            for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )

    def score_prompts(
        self, prompts: AudioPrompt, *, captions: Sequence[str] | None = None, template: str | None = None
    ) -> Tensor:
        """Return the scores of M captions, in their order, for B prompts: float32 (B, M).

        Args:
            prompts: prompts, as in `rank_prompts`.
            captions: captions to score; by default the model's.
            template: text that each caption is put into.

        Raises:
            InputError: there are no captions, or the prompts have another width than the text encoder's.
            SettingError: the template has no field for the caption.
        """
        texts = _fill(RankSettings(template=template).template, self._choose_captions(captions))
        if prompts.mixture_weights is None:
            return self._cosines(prompts.prompt_embeds, texts)
        cosines = self._memorised_cosines(texts)  # (P, M)
        weights = prompts.mixture_weights.to(cosines.device)  # (B, P)
        return MIXTURE_TEMPERATURE * (weights @ (cosines / MIXTURE_TEMPERATURE).exp()).log()

    def _cosines(self, prompt_embeds: Tensor, texts: tuple[str, ...]) -> Tensor:
        """Return the similarity (B, M) of B prompts (B, S, D) and M texts."""
        # BOS is the same for all. The text encoder is causal: its first tokens are those that an encoder of fewer
        # tokens was trained on.
        encoded = self._encoded(texts)[:, 1 : prompt_embeds.shape[1]]
        return sequence_similarity(prompt_embeds[:, 1:].to(encoded.device, encoded.dtype), encoded)

    @torch.no_grad()
    def _compare_memorised(self, texts: tuple[str, ...]) -> Tensor:
        """Return the similarity (P, M) of all P prompts that the encoder has memorised and M texts."""
        return self._cosines(self.encoder.memorised_prompts().prompt_embeds, texts)

    def _encode_once(self, texts: tuple[str, ...]) -> Tensor:
        """Encode captions, float32 (M, S, D); those of the model once for all processes."""
        if texts != self.captions:
            return self.encode_captions(texts)
        return encoded_captions(self.diffusion, texts, self.encode_captions)

    def _choose_captions(self, captions: Sequence[str] | None) -> tuple[str, ...]:
        if isinstance(captions, str):
            raise InputError(f"captions must be a list of texts; got a single text: give [{captions!r}]")
        choices = self.captions if captions is None else tuple(captions)
        if not choices:
            raise InputError("captions must contain at least one text; the model has no default captions: give some")
        return choices

    def encode_captions(self, texts: Sequence[str], *, name: str = "caption") -> Tensor:
        """Encode M captions with the text encoder: float32 (M, S, D).

        Args:
            texts: the captions.
            name: what the warning of captions that are cut off calls them.
        """
        tokenizer = self.diffusion.tokenizer
        given = [text for text in texts if text not in self.captions]  # its own captions are those of its training
        with user_text():  # also for the tokenizer, which sets padding and truncation for a call
            report_cut_texts(tokenizer, given, limit=tokenizer.model_max_length - 2, name=name)
        starts = cancellable_steps(range(0, len(texts), CAPTION_BATCH_SIZE))
        return torch.cat([encode_text(self.diffusion, texts[i : i + CAPTION_BATCH_SIZE])[0] for i in starts])


def _fill(template: str | None, captions: tuple[str, ...]) -> tuple[str, ...]:
    return captions if template is None else tuple(template.replace(CAPTION_FIELD, caption) for caption in captions)
