"""The stages of AudioLDM 2 as methods, for code that calls them one by one, as those of diffusers' pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.clap_ranking import clap_embed, rank_waveforms
from photism.audioldm2.gpt2 import generate_hidden_states
from photism.audioldm2.lazy_pipeline import LazyPipeline
from photism.audioldm2.prompt_embeds import PromptEmbeds
from photism.audioldm2.settings import SoundSettings
from photism.audioldm2.text_encoding import encode_clap, tokenize_clap
from photism.audioldm2.text_inputs import encode_inputs, read_text_inputs, read_texts
from photism.errors import InputError

NO_EMBEDS = (None, None, None)


class PipelineStages(LazyPipeline):
    """Pipeline whose stages are methods; with the names and arguments of diffusers where it has them."""

    @property
    def checkpoint(self) -> AudioLDM2Checkpoint:
        """Configurations of the components."""
        return self.models.checkpoint

    @property
    def vae_scale_factor(self) -> int:
        """Mel frames of a latent frame."""
        return self.checkpoint.vae_scale_factor

    def encode_texts(
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
        models = self.models
        settings = SoundSettings(
            transcription=transcription, negative_prompt=negative_prompt, max_new_tokens=max_new_tokens
        )
        texts = read_text_inputs(
            prompt,
            NO_EMBEDS,
            NO_EMBEDS,
            settings=settings,
            checkpoint=models.checkpoint,
            is_guided=do_classifier_free_guidance,
        )
        return encode_inputs(models, texts)[0]

    def encode_prompt(
        self,
        prompt: str | Sequence[str] | None,
        device: torch.device | str | None = None,
        num_waveforms_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        transcription: str | Sequence[str] | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        generated_prompt_embeds: Tensor | None = None,
        negative_generated_prompt_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        negative_attention_mask: Tensor | None = None,
        max_new_tokens: int | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode texts to the rows that the UNet attends to, as diffusers does; `encode_texts` keeps them apart.

        Args:
            prompt: B texts, or one; None with embeddings.
            device: device of the result; by default that of the pipeline.
            num_waveforms_per_prompt: number n of consecutive rows for each prompt.
            do_classifier_free_guidance: whether the rows of the negative prompts come first, B * n of them.
            transcription: words to speak, for a checkpoint that generates speech.
            negative_prompt: texts that guidance leads away from: one, or B; by default the empty text.
            prompt_embeds: hidden states of the prompts in place of texts, and so on as in a call.
            negative_prompt_embeds: those of the negative prompts.
            generated_prompt_embeds: states that the language model generated.
            negative_generated_prompt_embeds: those of the negative prompts.
            attention_mask: mask of `prompt_embeds`.
            negative_attention_mask: mask of `negative_prompt_embeds`.
            max_new_tokens: number of states that the language model generates; by default the checkpoint's.

        Returns:
            prompt_embeds (R, S, E), attention_mask (R, S) and generated_prompt_embeds (R, G, D).

        Raises:
            InputError: an argument cannot be used.
        """
        models = self.models
        texts = read_text_inputs(
            prompt,
            (prompt_embeds, attention_mask, generated_prompt_embeds),
            (negative_prompt_embeds, negative_attention_mask, negative_generated_prompt_embeds),
            settings=SoundSettings(
                transcription=transcription, negative_prompt=negative_prompt, max_new_tokens=max_new_tokens
            ),
            checkpoint=models.checkpoint,
            is_guided=do_classifier_free_guidance,
        )
        embeds = encode_inputs(models, texts)[0].to(torch.device(device or models.device))
        generated, states, mask = embeds.conditioning().repeated(num_waveforms_per_prompt)
        if mask is None:
            mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        return states, mask, generated

    @torch.no_grad()
    def generate_language_model(
        self, inputs_embeds: Tensor, max_new_tokens: int | None = 8, *, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Continue sequences of hidden states with the language model: (B, S, D) -> (B, max_new_tokens, D).

        Args:
            inputs_embeds: (B, S, D) projected states.
            max_new_tokens: number of states to generate; None is the checkpoint's.
            attention_mask: (B, S), 0 at padding and 1 elsewhere; by default without padding.
        """
        models = self.models
        count = models.checkpoint.max_new_tokens if max_new_tokens is None else max_new_tokens
        mask = inputs_embeds.new_ones(inputs_embeds.shape[:2]) if attention_mask is None else attention_mask
        with models.on_device("language_model") as (model,):
            skip_padding = not models.checkpoint.is_speech
            return generate_hidden_states(model, inputs_embeds, mask, count=count, skip_padding=skip_padding)

    def prepare_latents(
        self,
        batch_size: int,
        num_channels_latents: int,
        height: int,
        dtype: torch.dtype,
        device: torch.device | str,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: Tensor | None = None,
    ) -> Tensor:
        """Return the first latents (N, C, height / scale, bins / scale) for the scheduler.

        Args:
            batch_size: number N of waveforms.
            num_channels_latents: number C of channels.
            height: number of mel frames.
            dtype: data type of noise that is drawn.
            device: device of the result.
            generator: random generator of all noise, or a list of one for each waveform.
            latents: noise of variance 1; by default it is drawn.

        Raises:
            InputError: there are not as many generators as waveforms.
        """
        if isinstance(generator, list) and len(generator) != batch_size:
            raise InputError(f"generator must be one, or one for each of {batch_size} waveforms; got {len(generator)}")
        checkpoint = self.checkpoint
        if latents is None:
            scale = checkpoint.vae_scale_factor
            shape = (batch_size, num_channels_latents, int(height) // scale, checkpoint.mel_bins // scale)
            latents = randn_tensor(shape, generator=generator, device=torch.device(device), dtype=dtype)
        return latents.to(device) * self.scheduler.init_noise_sigma

    @torch.no_grad()
    def mel_spectrogram_to_waveform(self, mel_spectrogram: Tensor) -> Tensor:
        """Turn log-mel spectrograms into waveforms: (B, F, bins) or (B, 1, F, bins) -> (B, T), float32 on the CPU."""
        models = self.models
        mel = mel_spectrogram.squeeze(1) if mel_spectrogram.ndim == 4 else mel_spectrogram
        with models.on_device("vocoder") as (vocoder,):
            return vocoder(mel.to(vocoder.dtype)).float().cpu()

    def score_waveforms(
        self,
        text: str | Sequence[str],
        audio: Tensor,
        num_waveforms_per_prompt: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Sort the waveforms of each prompt by their CLAP similarity to it, the best first.

        Args:
            text: B prompts, or one.
            audio: (B * n, T) waveforms, n consecutive ones for each prompt.
            num_waveforms_per_prompt: number n.
            device: accepted for diffusers; CLAP computes on the device of the pipeline.
            dtype: accepted for diffusers; CLAP computes in its own data type.

        Raises:
            InputError: there are not as many waveforms.
        """
        models, texts = self.models, read_texts("text", text)
        if len(audio) != len(texts) * num_waveforms_per_prompt:
            raise InputError(
                f"audio must be {num_waveforms_per_prompt} waveforms for each of {len(texts)} prompts; got {len(audio)}"
            )
        text_embeds = encode_clap(models, tokenize_clap(models, texts)).float().cpu()
        return audio[rank_waveforms(text_embeds, clap_embed(audio.float().cpu(), models))[1]]

    def enable_vae_slicing(self) -> None:
        """Decode one waveform at a time, which takes less memory."""
        self.vae.enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Decode all waveforms of a batch at once."""
        self.vae.disable_slicing()

    def enable_vae_tiling(self) -> None:
        """Decode in overlapping tiles, which takes less memory and more time."""
        self.vae.enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Decode without tiles."""
        self.vae.disable_tiling()
