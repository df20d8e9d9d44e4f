"""Start from a recording: regenerate all of it, regenerate a span of it (inpainting), or continue it past its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any
from warnings import warn

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.original import OriginalRecording, load_original
from photism.audio.waveform import SAMPLING_RATE
from photism.audio.writing import SampleType
from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.mel_vae import encode_mel, log_mel, normalize_waveform
from photism.audioldm2.settings import SoundSettings, parse_span
from photism.errors import InputError, RecordingWarning
from photism.settings import SettingError

DEFAULT_STRENGTH = 0.5
"""Strength without a span; with a span it is 1."""
CROSSFADE_S = 0.01
"""Cross-fade at the edges of a regenerated span, within the span; outside of it the samples do not change."""
PAUSE_DB = -10.0
"""Level, relative to the whole recording, below which the replaced part is a pause; that of the gate of EBU R 128."""
MAX_GAIN = 10.0
"""Most that generated sound is amplified beyond the scale of the recording: near silence remains near silence."""


@dataclass(frozen=True, eq=False)
class SourceRecording:
    """A recording to start from.

    Attributes:
        original: the recording with all channels, at its own sampling rate.
        normalized: (T,) mono at the checkpoint's sampling rate, normalized as for training.
        mean, gain: what normalization subtracted, and then multiplied with.
        is_silent: whether there is nothing to hear in the recording, so that it has no loudness to match.
        samples: length of the sound to generate, T or more.
        total: the same length at the recording's sampling rate.
        span_s: start and end of the span to regenerate, in seconds; None for the whole recording.
        strength: fraction of the steps that are taken, above 0 to 1.
        latent_samples: samples of a latent frame.
        sampling_rate: the checkpoint's sampling rate.
    """

    original: OriginalRecording
    normalized: Tensor
    mean: float
    gain: float
    is_silent: bool
    samples: int
    total: int
    span_s: tuple[float, float] | None
    strength: float
    latent_samples: int
    sampling_rate: int

    def encode(self, vae: Any, checkpoint: AudioLDM2Checkpoint, *, device: torch.device, is_loop: bool) -> Tensor:
        """Encode the recording to latents (1, C, F, W) of the length of the sound to generate."""
        length = ceil(self.samples / checkpoint.latent_samples) * checkpoint.latent_samples
        # Mirrored past its end: silence there would change the latents before it, and thereby what continues them.
        padded = np.pad(self.normalized.numpy(), (0, length - len(self.normalized)), mode="reflect")
        padded = torch.from_numpy(padded)[None].to(device)
        return encode_mel(vae, log_mel(padded, checkpoint), checkpoint, is_loop=is_loop)

    def inpaint_mask(self, frames: int) -> Tensor | None:
        """Return (frames, 1) with 1 at the latent frames that the span touches and 0 elsewhere; None without a span."""
        if self.span_s is None:
            return None
        start, stop = (round(each * self.sampling_rate) for each in self.span_s)
        mask = torch.zeros(frames, 1)
        mask[start // self.latent_samples : ceil(stop / self.latent_samples)] = 1
        return mask

    @property
    def output_rate(self) -> int:
        """Sampling rate of what `finish` returns, in Hz."""
        return self.sampling_rate if self.span_s is None else self.original.sampling_rate

    @property
    def output_type(self) -> SampleType:
        """Type of samples in which a file holds exactly what `finish` keeps of the recording."""
        return "int16" if self.span_s is None else self.original.sample_type

    def finish(self, generated: Tensor) -> Tensor:
        """Give generated waveforms (N, T) the loudness of the recording and, with a span, put them into it.

        Returns:
            (N, T) at the checkpoint's sampling rate; with a span (N, T) or (N, C, T), the recording with its sampling
            rate, channels and samples, in float64 where float32 cannot hold these.
        """
        if self.span_s is None:
            recording = (self.normalized / self.gain)[None]  # (1, T)
            return torch.cat([self._matched(each[None], recording) for each in generated]) + self.mean
        spliced = torch.stack([self._spliced(each.numpy(), *self.span_s) for each in generated])
        return spliced[:, 0] if spliced.shape[1] == 1 else spliced

    def _spliced(self, generated: NDArray[np.float32], start_s: float, stop_s: float) -> Tensor:
        """Return the recording (C, T) with a generated waveform (T,) in the span."""
        rate = self.original.sampling_rate
        if rate != self.sampling_rate:
            generated = soxr.resample(generated, self.sampling_rate, rate)
        recording = torch.from_numpy(self.original.scaled)  # (C, T)
        recorded, total = recording.shape[1], self.total
        start, stop = (min(round(each * rate), total) for each in (start_s, stop_s))
        made = torch.from_numpy(np.pad(generated, (0, max(0, stop - len(generated))), mode="edge")[None, start:stop])
        made = self._matched(made, recording, recording[:, start:stop]) + recording.mean(1, keepdim=True)
        # The recording is mirrored past its end, so that what continues it begins without a click.
        kept = np.pad(recording.numpy(), ((0, 0), (0, max(0, total - recorded))), mode="reflect")[:, :total]
        spliced = torch.from_numpy(kept.copy())
        weight = _span_weight(stop - start, round(CROSSFADE_S * rate), rises=start > 0, falls=stop < total)
        spliced[:, start:stop] = torch.lerp(spliced[:, start:stop], made.to(spliced.dtype), weight.to(spliced.dtype))
        return spliced

    def _matched(self, made: Tensor, recording: Tensor, replaced: Tensor | None = None) -> Tensor:
        """Scale generated sound (1, T) to the loudness (root mean square) of each channel of a recording.

        Args:
            made: generated sound.
            recording: (C, R) samples.
            replaced: (C, S) the samples that it replaces, whose loudness it gets unless they are a pause or there are
                none.

        Returns:
            (C, T), with no peak beyond full scale or that of the recording. If there is nothing to hear in the
            recording, the sound is as loud as the model generates it.
        """
        made = made - made.mean()
        level = made.std(correction=0)
        target = recording.std(1, correction=0)
        if self.is_silent or not level or not target.any():
            return made.expand(len(recording), -1)
        if replaced is not None and replaced.shape[1]:
            of_replaced = replaced.std(1, correction=0)
            target = torch.where(of_replaced > 10 ** (PAUSE_DB / 20) * target, of_replaced, target)
        factors = target / level
        most = min(max(1.0, float(recording.abs().max())) / float(made.abs().max()), MAX_GAIN / self.gain)
        return made * (factors * min(1.0, most / float(factors.max())))[:, None]


def _span_weight(length: int, fade: int, *, rises: bool, falls: bool) -> Tensor:
    """Return the weight (T,) of generated sound in its span: 1, but rising from 0 and falling to 0 at its edges."""
    fade = max(1, min(fade, length // 2))
    positions = torch.arange(length)
    weight = torch.ones(length)
    if rises:
        weight = weight.minimum(positions / fade)
    if falls:
        weight = weight.minimum((length - 1 - positions) / fade)
    return weight


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
    original = load_original(settings.audio)
    waveform = original.waveform()
    for warning in waveform.warnings:
        warn(f"{original.name}: {warning}", RecordingWarning, stacklevel=2)
    rate, recorded = checkpoint.sampling_rate, original.samples.shape[1]
    recording = waveform.samples
    if rate != SAMPLING_RATE:
        recording = soxr.resample(recording, SAMPLING_RATE, rate)
    span_s = None if settings.span_s is None else parse_span(settings.span_s)
    span = None if span_s is None else (round(span_s[0] * rate), round(span_s[1] * rate))
    samples = _read_samples(settings.audio_length_in_s, len(recording), span, rate)
    if samples < checkpoint.latent_samples:
        raise InputError(
            f"audio must be at least {checkpoint.latent_samples / rate:g} s long; it is {samples / rate:g}"
        )
    strength = settings.strength
    if strength is None:
        strength = DEFAULT_STRENGTH if span is None else 1.0
    if int(steps * strength) < 1:
        problem = f"must be at least {1 / steps:g}, one of {steps} steps; got {strength:g}"
        raise SettingError("strength", problem, values={"minimum": 1 / steps})
    normalized, mean, gain = normalize_waveform(torch.from_numpy(recording[:samples]))
    return SourceRecording(
        original=original,
        normalized=normalized,
        mean=mean,
        gain=gain,
        is_silent=waveform.level.is_silent,
        samples=samples,
        total=recorded if samples == len(recording) else round(samples / rate * original.sampling_rate),
        span_s=span_s,
        strength=strength,
        latent_samples=checkpoint.latent_samples,
        sampling_rate=rate,
    )


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
