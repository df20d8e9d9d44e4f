"""AudioLDM 2: generate sound, music and speech from text.

    text → CLAP, and T5 or VITS → projection → language model → hidden states that the UNet attends to
    noise → UNet, step by step → latents → VAE → log-mel spectrogram → vocoder → waveform

Source: AudioLDM 2, arXiv 2308.05734. The models are those of transformers and diffusers; this is the pipeline, with the
interface of diffusers' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, AutoencoderKL, SchedulerMixin
from torch import Tensor
from transformers import (
    ClapFeatureExtractor,
    ClapModel,
    GPT2LMHeadModel,
    GPT2Model,
    RobertaTokenizer,
    SpeechT5HifiGan,
    T5EncoderModel,
    T5Tokenizer,
    VitsModel,
    VitsTokenizer,
)
from typing_extensions import Self

from photism.audioldm2.checkpoint import DEFAULT_GUIDANCE_SCALE, AudioLDM2Checkpoint, read_checkpoint
from photism.audioldm2.component_loader import ComponentLoader, keeps_scheduler, make_scheduler
from photism.audioldm2.components import COMPONENTS
from photism.audioldm2.denoising import denoise
from photism.audioldm2.loading import ALIASES, LIBRARY_OPTIONS, read_loading
from photism.audioldm2.output import SoundOutput
from photism.audioldm2.request import OUTPUT_TYPES, OutputType, read_request
from photism.audioldm2.settings import MANY_STEPS, SoundPipelineSettings, SoundSettings
from photism.audioldm2.stages import PipelineStages
from photism.audioldm2.step_callbacks import OldCallback, StepCallback, combined_callback
from photism.audioldm2.text_inputs import encode_inputs
from photism.audioldm2.waveforms import make_output
from photism.device import choose_device
from photism.display.progress import step_progress
from photism.errors import InputError, as_input_error
from photism.locks import loading_lock
from photism.schedulers import DISTILLED_STEPS, is_distilled
from photism.settings import accepts, changed

Generators = torch.Generator | Sequence[torch.Generator] | None


class AudioLDM2Pipeline(PipelineStages):
    """Pipeline that generates sound from text.

    It is a `DiffusionPipeline` with the components, the attributes and the methods of diffusers' own. `from_pretrained`
    loads each component when it is first used.

    Args:
        vae: AutoencoderKL that decodes latents to log-mel spectrograms.
        text_encoder: ClapModel, whose text tower encodes prompts, and whose audio tower ranks waveforms.
        text_encoder_2: T5EncoderModel, or for speech VitsModel.
        projection_model: AudioLDM2ProjectionModel, which projects the states of both to the language model's width.
        language_model: GPT2Model or GPT2LMHeadModel, which generates hidden states.
        tokenizer: RobertaTokenizer of CLAP.
        tokenizer_2: T5Tokenizer, or for speech VitsTokenizer.
        feature_extractor: ClapFeatureExtractor of CLAP's audio tower.
        unet: AudioLDM2UNet2DConditionModel.
        scheduler: scheduler of diffusers; with a scheduler that is given or set, a call takes 200 steps by default.
        vocoder: SpeechT5HifiGan.
        guidance_scale: default guidance scale of a call.
    """

    _default_scheduler: Any = None

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: ClapModel,
        text_encoder_2: T5EncoderModel | VitsModel,
        projection_model: AudioLDM2ProjectionModel,
        language_model: GPT2Model | GPT2LMHeadModel,
        tokenizer: RobertaTokenizer,
        tokenizer_2: T5Tokenizer | VitsTokenizer,
        feature_extractor: ClapFeatureExtractor,
        unet: AudioLDM2UNet2DConditionModel,
        scheduler: SchedulerMixin,
        vocoder: SpeechT5HifiGan,
        guidance_scale: float = DEFAULT_GUIDANCE_SCALE,
    ) -> None:
        given = vars()
        checkpoint = AudioLDM2Checkpoint("the pipeline", None, {}, {}, guidance_scale)
        loader = ComponentLoader(checkpoint, SoundPipelineSettings(scheduler=None))
        self._hold(loader, {name: given[name] for name in COMPONENTS})

    @classmethod
    @accepts(SoundPipelineSettings, further=(*COMPONENTS, *ALIASES, *LIBRARY_OPTIONS))
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, model: str | Path | None = None, *, settings: SoundPipelineSettings | None = None, **changes: Any
    ) -> Self:
        """Read the configurations of a checkpoint; each of its components is loaded when it is first used.

        Args:
            model: folder or hub id of a checkpoint; by default the bundled one.
            settings: all settings in one object, over which keyword arguments take precedence.
            changes: settings by name, where the scheduler None is the checkpoint's own, mostly DDIM, and `dtype` (or
                `torch_dtype`) may be a mapping from components to data types; components by name, in place of the
                checkpoint's; options of `DiffusionPipeline.from_pretrained`, such as `revision`, with which diffusers
                loads all components at once.

        Raises:
            InputError: the checkpoint does not exist or is not of AudioLDM 2, or a setting cannot be used on this
                machine.
        """
        loading = read_loading(settings, {**({} if model is None else {"model": model}), **changes})
        settings, components = loading.settings, loading.components
        if loading.options:
            with as_input_error(f"model {settings.model} cannot be loaded"), loading_lock:
                pipeline: Self = super().from_pretrained(**loading.library_arguments)
            pipeline._loader.settings = settings
            if "device_map" not in loading.options:
                pipeline.to(choose_device(settings.device))
        else:
            checkpoint = read_checkpoint(settings.model, variant=settings.variant, components=components)
            pipeline = cls.__new__(cls)
            pipeline._hold(ComponentLoader(checkpoint, settings, loading.dtypes), components)
        if "scheduler" not in components:
            checkpoint = pipeline.checkpoint
            if not loading.names_scheduler and keeps_scheduler(checkpoint):
                pipeline._loader.settings = settings = replace(settings, scheduler=None)
            pipeline.scheduler = pipeline._default_scheduler = make_scheduler(checkpoint, settings.scheduler)
        return pipeline

    @property
    def settings(self) -> SoundPipelineSettings:
        """Settings that the pipeline was loaded with."""
        return self._loader.settings

    @property
    def num_inference_steps(self) -> int:
        """Default number of steps of a call: that of the settings; of a scheduler that was given or set, 4 or 200."""
        if self.scheduler is self._default_scheduler and self.settings.scheduler is not None:
            return self.settings.num_inference_steps
        return DISTILLED_STEPS if is_distilled(self.scheduler) else MANY_STEPS

    @torch.no_grad()
    @accepts(SoundSettings)
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        transcription: str | Sequence[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int | None = None,
        eta: float | None = None,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        generated_prompt_embeds: Tensor | None = None,
        negative_generated_prompt_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        negative_attention_mask: Tensor | None = None,
        max_new_tokens: int | None = None,
        return_dict: bool = True,
        callback: OldCallback | None = None,
        callback_steps: int = 1,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        output_type: OutputType = "np",
        *,
        settings: SoundSettings | None = None,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step: Callable[[int, int], None] | None = None,
        **changes: Any,
    ) -> SoundOutput:
        """Generate sound.

        A waveform depends on its prompt, its seed and the settings, not on what else is in the batch.

        Args:
            prompt: B texts, or one; or else `prompt_embeds` and `generated_prompt_embeds`.
            transcription: words to speak, for a checkpoint that generates speech: B texts, or one for all.
            audio_length_in_s: length in seconds; by default that which the UNet was trained on.
            num_inference_steps: number of denoising steps; by default the pipeline's `num_inference_steps`.
            guidance_scale: classifier-free guidance scale, 1 and less without guidance; by default the model's, or 3.5.
            negative_prompt: texts that guidance leads away from: one, or B; by default the empty text.
            num_waveforms_per_prompt: number n of waveforms for each prompt, which CLAP ranks; by default 1.
            eta: amount of fresh noise at each step of DDIM, 0 to 1; by default 0.
            generator: random generator of all waveforms, or B * n of them, in place of seeds.
            latents: (B * n, C, F, W) initial noise of variance 1.
            prompt_embeds: hidden states of the prompts, from `encode_texts`, as the next five.
            negative_prompt_embeds: those of the negative prompts; by default these are encoded.
            generated_prompt_embeds: states that the language model generated, given with `prompt_embeds`.
            negative_generated_prompt_embeds: states given with `negative_prompt_embeds`.
            attention_mask: mask of `prompt_embeds`; by default without padding.
            negative_attention_mask: mask of `negative_prompt_embeds`; by default without padding.
            max_new_tokens: number of states that the language model generates; by default the checkpoint's.
            return_dict: whether to return a `SoundOutput`, or else a tuple of its audios alone.
            callback: called every `callback_steps` steps, as diffusers does; deprecated: use `callback_on_step_end`.
            callback_steps: number of steps from one call of `callback` to the next.
            cross_attention_kwargs: further arguments of the UNet's attention processors.
            output_type: "np" or "pt" for waveforms, "latent" for latents.
            settings: all settings in one object, over which other arguments take precedence.
            callback_on_step_end: called after each step, as `StepCallback` says.
            callback_on_step: called after each step with the steps done and the steps of all waveforms, in place of a
                progress bar.
            changes: settings by name; `audio` is anything that `load_waveform` takes.

        Raises:
            InputError: an argument cannot be used; no weights have been loaded then.
        """
        if output_type not in OUTPUT_TYPES:
            raise InputError(f"output_type must be one of {', '.join(OUTPUT_TYPES)}; got {output_type!r}")
        given = {
            "transcription": transcription,
            "audio_length_in_s": audio_length_in_s,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
            "num_waveforms_per_prompt": num_waveforms_per_prompt,
            "eta": eta,
            "max_new_tokens": max_new_tokens,
        }
        changes |= {name: value for name, value in given.items() if value is not None}
        models = self.models
        request = read_request(
            changed(SoundSettings, settings, changes),
            models.checkpoint,
            scheduler=self.scheduler,
            default_steps=self.num_inference_steps,
            prompt=prompt,
            prompt_embeds=(prompt_embeds, attention_mask, generated_prompt_embeds),
            negative_embeds=(negative_prompt_embeds, negative_attention_mask, negative_generated_prompt_embeds),
            generator=generator,
            latents=latents,
        )
        after_step = combined_callback(
            self,
            request,
            models.scheduler,
            on_step_end=callback_on_step_end,
            callback=callback,
            callback_steps=callback_steps,
        )
        embeds, clap_embeds = encode_inputs(models, request.texts)
        with step_progress(self, callback_on_step, steps=request.steps) as on_progress:
            generated = denoise(
                models,
                request,
                embeds,
                after_step=after_step,
                on_progress=on_progress,
                cross_attention_kwargs=cross_attention_kwargs,
            )
        output = make_output(models, request, generated, clap_embeds, output_type)
        self.maybe_free_model_hooks()
        return output if return_dict else cast("SoundOutput", (output.audios,))
