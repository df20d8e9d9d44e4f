"""A recording that a sound is made from: as a whole, in a span of it, or past its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photism.audio.waveform import AudioSource, load_waveform
from photism.audioldm2.arguments import LONGEST_S, check_number
from photism.audioldm2.checkpoint import Checkpoint
from photism.audioldm2.mel_vae import encode_mel, log_mel, training_gain
from photism.errors import InputError

STRENGTH = 0.5
"""How far from the recording, where a call does not say and has no span."""
CROSSFADE_S = 0.01
"""Within what is kept, next to a span: everything else of the recording stays to the sample."""


@dataclass(frozen=True, eq=False)
class SourceSound:
    """A recording and what is to be made of it.

    Attributes:
        waveform: (T,) the recording, as loud as training's.
        recording: (T,) as it came, at the checkpoint's rate.
        samples: of the sound that is to be made, T or more.
        mean, gain: that were taken off it and that it was multiplied with.
        span: samples, from and to, that are made anew; None for all.
        strength: how far to go, above 0 to 1, which leaves nothing of it where it is made anew.
        latent_samples: samples to a latent frame.
    """

    waveform: Tensor
    recording: Tensor
    samples: int
    mean: float
    gain: float
    span: tuple[int, int] | None
    strength: float
    latent_samples: int

    def encode(self, vae: Any, checkpoint: Checkpoint, *, device: torch.device, is_loop: bool) -> Tensor:
        """(1, C, frames, W) latents."""
        length = ceil(self.samples / checkpoint.latent_samples) * checkpoint.latent_samples
        # Mirrored past its end: silence there would be heard in the latents before it, and in what continues them.
        padded = np.pad(self.waveform.numpy(), (0, length - len(self.waveform)), mode="reflect")
        padded = torch.from_numpy(padded)[None].to(device)
        return encode_mel(vae, log_mel(padded, checkpoint), checkpoint, is_loop=is_loop)

    def anew(self, frames: int) -> Tensor | None:
        """(frames, 1): 1 where latents are made anew, all that the span touches; None for all."""
        if self.span is None:
            return None
        start, stop = self.span
        anew = torch.zeros(frames, 1)
        anew[start // self.latent_samples : ceil(stop / self.latent_samples)] = 1
        return anew

    def put_back(self, made: Tensor, sampling_rate: int) -> Tensor:
        """(N, samples) as loud as the recording, with the recording itself outside of the span."""
        made = made / self.gain + self.mean
        if self.span is None:
            return made
        fade = round(CROSSFADE_S * sampling_rate)
        positions = torch.arange(made.shape[1])
        start, stop = self.span
        # 0 where the recording is kept, 1 in the span, rising in between.
        share = torch.minimum(positions - (start - fade), (stop + fade - 1) - positions).clamp(0, fade) / fade
        share[len(self.recording) :] = 1
        kept = torch.nn.functional.pad(self.recording, (0, max(0, made.shape[1] - len(self.recording))))
        return torch.lerp(kept[: made.shape[1]], made, share)


def read_source(
    audio: AudioSource,
    *,
    strength: float | None,
    span_s: Sequence[float] | None,
    audio_length_in_s: float | None,
    checkpoint: Checkpoint,
) -> SourceSound:
    """Reads a recording and what is to be made of it.

    Args:
        audio: what `load_waveform` takes.
        strength: by default 1 with a span, and `STRENGTH` without.
        span_s: from and to in seconds; to may lie past the recording's end, which continues it.
        audio_length_in_s: of the sound that is made; by default to the end of the recording and of the span.
        checkpoint: that makes it.

    Raises:
        InputError: the recording cannot be read, is too short, or an argument is out of range.
    """
    strength = (STRENGTH if span_s is None else 1.0) if strength is None else strength
    check_number("strength", strength, least=0, most=1, above=True)
    recording = torch.from_numpy(load_waveform(audio).samples)
    rate = checkpoint.sampling_rate
    if rate != 16_000:
        import soxr

        recording = torch.from_numpy(soxr.resample(recording.numpy(), 16_000, rate))
    samples = len(recording)
    span = None if span_s is None else _read_span(span_s, len(recording), rate)
    if span is not None:
        samples = max(samples, span[1])
    if audio_length_in_s is not None:
        asked = round(check_number("audio_length_in_s", audio_length_in_s, least=0, above=True) * rate)
        if span is not None and asked < span[1]:
            raise InputError(
                f"audio_length_in_s must reach to the end of span_s, {span[1] / rate:g}; got {asked / rate:g}"
            )
        samples = asked
    if samples > len(recording) and (span is None or span[1] < samples or span[0] > len(recording)):
        raise InputError(
            f"audio_length_in_s must be at most the recording's {len(recording) / rate:g} s; to continue it, give "
            f"span_s=({len(recording) / rate:g}, {samples / rate:g})"
        )
    if samples < checkpoint.latent_samples:
        least = checkpoint.latent_samples / rate
        raise InputError(f"audio must be at least {least:g} s long; it is {samples / rate:g}")
    recording = recording[:samples]
    loud, mean, gain = training_gain(recording)
    return SourceSound(loud, recording, samples, mean, gain, span, strength, checkpoint.latent_samples)


def _read_span(span_s: Sequence[float], recorded: int, rate: int) -> tuple[int, int]:
    if isinstance(span_s, str) or len(span_s) != 2:
        raise InputError(f"span_s must be two times in seconds, from and to; got {span_s!r}")
    start, stop = (round(check_number("span_s", each, least=0, most=LONGEST_S) * rate) for each in span_s)
    if stop <= start:
        raise InputError(f"span_s must end after it starts; got {span_s[0]:g} to {span_s[1]:g}")
    if start > recorded:
        raise InputError(
            f"span_s must start within the recording, which is {recorded / rate:g} s long, or at its end; "
            f"got {span_s[0]:g}"
        )
    return start, stop
