"""AudioLDM 2: generate sound, music and speech from text.

    text → CLAP, and T5 or VITS → projection → language model → hidden states that the UNet attends to
    noise → UNet, step by step → latents → VAE → log-mel spectrogram → vocoder → waveform

Source: AudioLDM 2, arXiv 2308.05734. The models are those of transformers and diffusers; this is the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, overload

import torch
from torch import Tensor

from photism.audio.waveform import Waveform, load_waveform
from photism.audioldm2.checkpoint import AudioLDM2Checkpoint, read_checkpoint
from photism.audioldm2.clap_ranking import clap_embed, rank_waveforms
from photism.audioldm2.components import Components
from photism.audioldm2.denoising import AfterStep, denoise
from photism.audioldm2.mel_vae import decode_latents, vocode
from photism.audioldm2.prompt_embeds import PromptEmbeds, TextEmbeds
from photism.audioldm2.request import OUTPUT_TYPES, OutputType, SoundRequest, read_request
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.audioldm2.text_encoding import EncodedText, TextEncoder, stack_encodings
from photism.audioldm2.text_inputs import TextInputs, read_negative_prompts, read_prompts
from photism.errors import InputError
from photism.settings import accepts

StepCallback = Callable[["AudioLDM2Pipeline", int, Tensor, Mapping[str, Tensor]], "Mapping[str, Tensor] | None"]
"""Called with the pipeline, the number of a step, its timestep and {"latents": …}; may return other latents."""


@dataclass(frozen=True, eq=False)
class SoundOutput:
    """Generated sound.

    Attributes:
        audios: array or tensor (B * n, T), float32 within ±1, n consecutive waveforms for each prompt, the best first
            if they were ranked; or latents (B * n, C, F, W).
        scores: for each prompt the CLAP similarities of its waveforms to it, -1 to 1; None if there is one waveform for
            each prompt, if prompts were given as embeddings, and for latents.
        seeds: seed of each waveform; None if generators were given.
        sampling_rate: sampling rate in Hz.
        settings: settings that were used, defaults included: a call with them gives the same sound again.
    """

    audios: Any
    scores: list[list[float]] | None
    seeds: list[int] | None
    sampling_rate: int
    settings: SoundSettings

    @property
    def waveforms(self) -> list[Waveform]:
        """The waveforms at 16 kHz, as the rest of Photism takes recordings."""
        return [load_waveform(audio, sampling_rate=self.sampling_rate) for audio in self.audios]


class AudioLDM2Pipeline:
    """Pipeline that generates sound from text.

    Args:
        components: components of a checkpoint; `from_pretrained` makes them.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self._text_encoder = TextEncoder(components)

    @classmethod
    @accepts(SoundPipelineSettings)
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype = "float32",
        **changes: Any,
    ) -> AudioLDM2Pipeline:
        """Read the configurations of a checkpoint; each of its models is loaded when it is first used.

        Args:
            model: folder or hub id of a checkpoint.
            device: device of the models.
            dtype: data type of the weights.
            changes: settings that differ from their defaults; the scheduler None is the checkpoint's own, mostly DDIM.

        Raises:
            InputError: the checkpoint does not exist or is not of AudioLDM 2, or a setting cannot be used on this
                machine.
        """
        settings = SoundPipelineSettings(
            model=None if model is None else str(model),
            device=None if device is None else str(device),
            dtype=str(dtype).removeprefix("torch."),
            **changes,
        )
        return cls(Components(read_checkpoint(settings.model), settings))

    @property
    def settings(self) -> SoundPipelineSettings:
        """Settings that the pipeline was loaded with."""
        return self.components.settings

    @property
    def checkpoint(self) -> AudioLDM2Checkpoint:
        """Checkpoint that the models are loaded from."""
        return self.components.checkpoint

    def encode_prompt(
        self,
        prompt: str | Sequence[str],
        transcription: str | Sequence[str] | None = None,
        *,
        negative_prompt: str | Sequence[str] | None = None,
        do_classifier_free_guidance: bool = True,
        max_new_tokens: int | None = None,
    ) -> PromptEmbeds:
        """Encode texts to what the UNet attends to; a call takes them back as `**embeds._asdict()`.

        Args:
            prompt: B texts, or one.
            transcription: words to speak, for a checkpoint that generates speech: B texts, or one for all.
            negative_prompt: texts that guidance leads away from: one, or B; by default the empty text.
            do_classifier_free_guidance: whether to encode negative prompts.
            max_new_tokens: number of states that the language model generates; by default the checkpoint's.

        Raises:
            InputError: an argument cannot be used.
        """
        new_tokens = SoundSettings(max_new_tokens=max_new_tokens).max_new_tokens or self.checkpoint.max_new_tokens
        prompts = read_prompts(prompt, transcription, self.checkpoint, new_tokens=new_tokens)
        negatives = read_negative_prompts(negative_prompt, len(prompts), new_tokens=new_tokens)
        keys = [*prompts, *(negatives if do_classifier_free_guidance else [])]
        encoded = self._text_encoder.encode(keys, self._text_encoder.tokenize(keys))
        return _join(encoded[: len(prompts)], encoded[len(prompts) :])

    @overload
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        transcription: str | Sequence[str] | None = None,
        *,
        return_dict: Literal[True] = True,
        **arguments: Any,
    ) -> SoundOutput: ...

    @overload
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        transcription: str | Sequence[str] | None = None,
        *,
        return_dict: Literal[False],
        **arguments: Any,
    ) -> tuple[Any, list[list[float]] | None, list[int] | None]: ...

    @accepts(SoundSettings)
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        transcription: str | Sequence[str] | None = None,
        *,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        generated_prompt_embeds: Tensor | None = None,
        negative_generated_prompt_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        negative_attention_mask: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step: Callable[[int, int], None] | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
        **changes: Any,
    ) -> SoundOutput | tuple[Any, list[list[float]] | None, list[int] | None]:
        """Generate sound.

        A waveform depends on its prompt, its seed and the settings, not on what else is in the batch.

        Args:
            prompt: B texts, or one; or else `prompt_embeds` and `generated_prompt_embeds`.
            transcription: words to speak, for a checkpoint that generates speech: B texts, or one for all.
            generator: random generator of all waveforms, or B * n of them, in place of seeds.
            latents: (B * n, C, F, W) initial noise of variance 1.
            prompt_embeds: hidden states of the prompts, from `encode_prompt`, as the next five.
            negative_prompt_embeds: those of the negative prompts; by default these are encoded.
            generated_prompt_embeds: states that the language model generated, given with `prompt_embeds`.
            negative_generated_prompt_embeds: states given with `negative_prompt_embeds`.
            attention_mask: mask of `prompt_embeds`; by default without padding.
            negative_attention_mask: mask of `negative_prompt_embeds`; by default without padding.
            callback_on_step_end: called after each step, as `StepCallback` says.
            callback_on_step: called after each step with the steps done and the steps of all waveforms.
            output_type: "np" or "pt" for waveforms, "latent" for latents.
            return_dict: whether to return a `SoundOutput`, or else a tuple of its audios, scores and seeds.
            changes: settings that differ from their defaults; `audio` is anything that `load_waveform` takes.

        Raises:
            InputError: an argument cannot be used; no weights have been loaded then.
        """
        if output_type not in OUTPUT_TYPES:
            raise InputError(f"output_type must be one of {', '.join(OUTPUT_TYPES)}; got {output_type!r}")
        request = read_request(
            SoundSettings(transcription=transcription, **changes),
            self.checkpoint,
            default_steps=self.settings.num_inference_steps,
            prompt=prompt,
            prompt_embeds=(prompt_embeds, attention_mask, generated_prompt_embeds),
            negative_embeds=(negative_prompt_embeds, negative_attention_mask, negative_generated_prompt_embeds),
            generator=generator,
            latents=latents,
        )
        embeds, clap_embeds = self._encode(request.texts)
        after_step = self._after_step(callback_on_step_end)
        generated = denoise(self.components, request, embeds, after_step=after_step, on_progress=callback_on_step)
        if output_type == "latent":
            output = SoundOutput(generated, None, request.seeds, self.checkpoint.sampling_rate, request.settings)
        else:
            output = self._ranked(request, self._decode(request, generated), clap_embeds, output_type)
        return output if return_dict else (output.audios, output.scores, output.seeds)

    def _after_step(self, callback: StepCallback | None) -> AfterStep:
        """Return the function that `denoise` calls after each step, for a callback of the caller's."""

        def after_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
            """Call the callback and return its latents, if it returns any."""
            if callback is None:
                return latents
            changed = callback(self, step, timestep, {"latents": latents})
            return (changed or {}).get("latents", latents)

        return after_step

    def _encode(self, texts: TextInputs) -> tuple[PromptEmbeds, Tensor | None]:
        """Return the embeddings of the prompts, and their CLAP embeddings (B, P) to rank waveforms with."""
        keys = [*texts.prompts, *texts.negatives]
        encoded = self._text_encoder.encode(keys, self._text_encoder.tokenize(keys))
        prompts, negatives = encoded[: len(texts.prompts)], encoded[len(texts.prompts) :]
        embeds = _join(prompts or texts.prompt_embeds, negatives or texts.negative_embeds)
        clap_embeds = torch.stack([text.clap for text in prompts]).float().cpu() if prompts else None
        return embeds.to(self.components.device, self.components.dtype), clap_embeds

    def _decode(self, request: SoundRequest, latents: Tensor) -> Tensor:
        """Return the waveforms (B * n, T) of latents, float32 on the CPU."""
        checkpoint, is_loop = self.checkpoint, request.settings.loop
        waveforms: list[Tensor] = []
        with self.components.on_device("vae", "vocoder") as (vae, vocoder):
            for some in latents.split(request.settings.batch_size or request.total):
                mel = decode_latents(vae, some, checkpoint, is_loop=is_loop)
                waveforms.append(vocode(vocoder, mel, checkpoint, samples=request.samples, is_loop=is_loop))
        decoded = torch.cat(waveforms)
        return decoded if request.source is None else request.source.splice(decoded, checkpoint.sampling_rate)

    def _ranked(
        self, request: SoundRequest, waveforms: Tensor, clap_embeds: Tensor | None, output_type: OutputType
    ) -> SoundOutput:
        """Return the waveforms, those of each prompt ranked if there are several."""
        seeds, scores = request.seeds, None
        if clap_embeds is not None and request.settings.num_waveforms_per_prompt > 1:
            ranked, order = rank_waveforms(clap_embeds, clap_embed(waveforms, self.components))
            waveforms, scores = waveforms[order], ranked.tolist()
            seeds = None if seeds is None else [seeds[index] for index in order.tolist()]
        audios = waveforms.numpy() if output_type == "np" else waveforms
        return SoundOutput(audios, scores, seeds, self.checkpoint.sampling_rate, request.settings)


def _join(
    prompts: Sequence[EncodedText] | TextEmbeds | None, negatives: Sequence[EncodedText] | TextEmbeds | None
) -> PromptEmbeds:
    """Return the embeddings of prompts and of negative prompts, if there are any, from encodings or embeddings."""
    positive = prompts if isinstance(prompts, TextEmbeds) else stack_encodings(cast("Sequence[EncodedText]", prompts))
    if not negatives:
        return PromptEmbeds(*positive)
    return PromptEmbeds(*positive, *(negatives if isinstance(negatives, TextEmbeds) else stack_encodings(negatives)))
