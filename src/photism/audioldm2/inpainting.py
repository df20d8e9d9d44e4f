"""Start from a recording: regenerate all of it, regenerate a span of it (inpainting), or continue it past its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE, load_waveform
from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.mel_vae import encode_mel, log_mel, normalize_waveform
from photism.audioldm2.settings import SoundSettings, parse_span
from photism.errors import InputError
from photism.settings import SettingError

DEFAULT_STRENGTH = 0.5
"""Strength without a span; with a span it is 1."""
CROSSFADE_S = 0.01
"""Cross-fade into a regenerated span, within the kept recording; outside of it the samples do not change."""


@dataclass(frozen=True, eq=False)
class SourceRecording:
    """A recording to start from.

    Attributes:
        recording: (T,) samples at the checkpoint's sampling rate.
        normalized: (T,) the same, normalized as for training.
        mean, gain: what normalization subtracted, and then multiplied with.
        samples: length of the sound to generate, T or more.
        span: first sample of the span to regenerate and the one after its last; None for the whole recording.
        strength: fraction of the steps that are taken, above 0 to 1.
        latent_samples: samples of a latent frame.
    """

    recording: Tensor
    normalized: Tensor
    mean: float
    gain: float
    samples: int
    span: tuple[int, int] | None
    strength: float
    latent_samples: int

    def encode(self, vae: Any, checkpoint: AudioLDM2Checkpoint, *, device: torch.device, is_loop: bool) -> Tensor:
        """Encode the recording to latents (1, C, F, W) of the length of the sound to generate."""
        length = ceil(self.samples / checkpoint.latent_samples) * checkpoint.latent_samples
        # Mirrored past its end: silence there would change the latents before it, and thereby what continues them.
        padded = np.pad(self.normalized.numpy(), (0, length - len(self.normalized)), mode="reflect")
        padded = torch.from_numpy(padded)[None].to(device)
        return encode_mel(vae, log_mel(padded, checkpoint), checkpoint, is_loop=is_loop)

    def inpaint_mask(self, frames: int) -> Tensor | None:
        """Return (frames, 1) with 1 at the latent frames that the span touches and 0 elsewhere; None without a span."""
        if self.span is None:
            return None
        start, stop = self.span
        mask = torch.zeros(frames, 1)
        mask[start // self.latent_samples : ceil(stop / self.latent_samples)] = 1
        return mask

    def splice(self, generated: Tensor, sampling_rate: int) -> Tensor:
        """Scale generated waveforms (N, T) to the recording, and put the recording itself outside of the span."""
        generated = generated / self.gain + self.mean
        if self.span is None:
            return generated
        fade = round(CROSSFADE_S * sampling_rate)
        positions = torch.arange(generated.shape[1])
        start, stop = self.span
        # 0 where the recording is kept, 1 in the span, rising in between.
        weight = torch.minimum(positions - (start - fade), (stop + fade - 1) - positions).clamp(0, fade) / fade
        weight[len(self.recording) :] = 1
        kept = torch.nn.functional.pad(self.recording, (0, max(0, generated.shape[1] - len(self.recording))))
        return torch.lerp(kept[: generated.shape[1]], generated, weight)


def keep_outside(
    mask: Tensor, source: Tensor, noise: Tensor, scheduler: Any, timesteps: Tensor
) -> Callable[[int, Tensor], Tensor]:
    """Return a function that puts the source back outside of the mask after each step, at the noise level of the step.

    Args:
        mask: (F, 1), 1 where latents are generated.
        source: (1, C, F, W) latents of the recording.
        noise: (N, C, F, W) initial noise of the waveforms.
        scheduler: scheduler of diffusers.
        timesteps: timesteps that are taken.
    """
    mask, source = mask.to(noise.device), source.expand_as(noise)

    def keep(step: int, latents: Tensor) -> Tensor:
        """Return the latents after a step, with the source outside of the mask."""
        is_last = step + 1 == len(timesteps)
        noisy = source if is_last else scheduler.add_noise(source, noise, timesteps[step + 1 : step + 2])
        return torch.lerp(noisy, latents, mask)

    return keep


def read_source(settings: SoundSettings, checkpoint: AudioLDM2Checkpoint, *, steps: int) -> SourceRecording:
    """Load the recording that a sound starts from.

    Args:
        settings: settings with `audio`; the sound ends by default with the recording or the span, whichever is later.
        checkpoint: checkpoint that generates the sound.
        steps: number of denoising steps.

    Raises:
        InputError: the recording cannot be read, or is too short.
        SettingError: length, span and recording do not fit together, or the strength takes no step.
    """
    recording = torch.from_numpy(load_waveform(settings.audio).samples)
    rate = checkpoint.sampling_rate
    if rate != SAMPLING_RATE:
        import soxr

        recording = torch.from_numpy(soxr.resample(recording.numpy(), SAMPLING_RATE, rate))
    span = None
    if settings.span_s is not None:
        start, stop = (round(each * rate) for each in parse_span(settings.span_s))
        span = start, stop
    samples = _read_samples(settings.audio_length_in_s, len(recording), span, rate)
    if samples < checkpoint.latent_samples:
        raise InputError(
            f"audio must be at least {checkpoint.latent_samples / rate:g} s long; it is {samples / rate:g}"
        )
    strength = settings.strength
    if strength is None:
        strength = DEFAULT_STRENGTH if span is None else 1.0
    if int(steps * strength) < 1:
        raise SettingError("strength", f"must be at least {1 / steps:g}, one of {steps} steps; got {strength:g}")
    recording = recording[:samples]
    normalized, mean, gain = normalize_waveform(recording)
    return SourceRecording(recording, normalized, mean, gain, samples, span, strength, checkpoint.latent_samples)


def _read_samples(length_s: float | None, recorded: int, span: tuple[int, int] | None, rate: int) -> int:
    """Return the number of samples to generate.

    Raises:
        SettingError: the span starts after the recording, the length ends before the span, or nothing fills the length
            after the recording.
    """
    if span is not None and span[0] > recorded:
        raise SettingError(
            "span_s",
            f"must start within the recording, which is {recorded / rate:g} s long, or at its end; got "
            f"{span[0] / rate:g}",
        )
    samples = recorded if span is None else max(recorded, span[1])
    if length_s is None:
        return samples
    length = round(length_s * rate)
    if span is not None and length < span[1]:
        raise SettingError("audio_length_in_s", f"must reach the end of the span, {span[1] / rate:g}; got {length_s:g}")
    if length > samples:
        raise SettingError(
            "audio_length_in_s",
            f"must be at most {samples / rate:g}, the end of the recording and of the span; to continue the recording, "
            f"give the span {recorded / rate:g}:{length / rate:g}",
        )
    return length
