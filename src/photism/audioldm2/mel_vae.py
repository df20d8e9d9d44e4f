"""Waveforms, log-mel spectrograms and latents: the mel front end, the VAE and the vocoder, for sound of any length.

Source: the spectrogram of haoheliu/AudioLDM2, audioldm2/utilities: a Hann window of 1024 samples, magnitudes, Slaney's
mel filters up to half the sampling rate, and the natural logarithm, clamped at 1e-5; of a waveform without its mean,
scaled to a peak of 0.5.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.windows import plan_windows
from photism.cancellation import cancellable_steps

FFT_SAMPLES = 1024
MIN_MAGNITUDE = 1e-5
PEAK = 0.5
SILENCE_PEAK = 1e-8
"""Peak below which a waveform is not amplified."""
VOCODER_FRAMES = 4096
"""Frames vocoded at once, 41 s: the vocoder's activations for a long sound would fill the memory."""


def normalize_waveform(waveform: Tensor) -> tuple[Tensor, float, float]:
    """Normalize a waveform as for training: subtract its mean, then scale its peak to 0.5.

    Returns:
        the normalized waveform, the mean and the gain.
    """
    mean = float(waveform.mean())
    centred = waveform - mean
    peak = float(centred.abs().max())
    gain = PEAK / peak if peak > SILENCE_PEAK else 1.0
    return centred * gain, mean, gain


def log_mel(waveforms: Tensor, checkpoint: AudioLDM2Checkpoint) -> Tensor:
    """Compute log-mel spectrograms: (B, T) -> (B, T // hop, bins).

    Args:
        waveforms: (B, T) normalized waveforms of whole hops, longer than half an FFT window.
        checkpoint: checkpoint that determines hop, bins and sampling rate.
    """
    window = torch.hann_window(FFT_SAMPLES, device=waveforms.device)
    spectrum = torch.stft(
        waveforms, FFT_SAMPLES, checkpoint.hop_samples, window=window, pad_mode="reflect", return_complex=True
    )
    filters = _mel_filters(checkpoint.mel_bins, checkpoint.sampling_rate).to(waveforms.device)
    # (B, FFT bins, F + 1) -> (B, F, bins)
    return (spectrum[..., :-1].abs().transpose(1, 2) @ filters).clamp(min=MIN_MAGNITUDE).log()


@cache
def _mel_filters(bins: int, sampling_rate: int) -> Tensor:
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        FFT_SAMPLES // 2 + 1, bins, 0.0, sampling_rate / 2, sampling_rate, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(filters).float()


@torch.no_grad()
def encode_mel(vae: Any, mel: Tensor, checkpoint: AudioLDM2Checkpoint, *, is_loop: bool = False) -> Tensor:
    """Encode log-mel spectrograms to latents as the UNet takes them.

    Args:
        vae: AutoencoderKL of the checkpoint.
        mel: (B, F, bins) spectrograms of whole latent frames.
        checkpoint: checkpoint that determines the windows of a long spectrogram.
        is_loop: whether the end continues at the beginning.

    Returns:
        (B, C, F / scale, bins / scale) latents, the mode of the posterior.
    """
    scale = checkpoint.vae_scale_factor
    plan = plan_windows(mel.shape[1] // scale, checkpoint.window_frames, is_loop=is_loop)
    mel = mel[:, None].to(vae.dtype)  # (B, F, bins) -> (B, 1, F, bins)
    if plan is None:
        latents = vae.encode(mel).latent_dist.mode()
    else:
        parts = [
            vae.encode(part[None]).latent_dist.mode() for part in cancellable_steps(plan.upsampled(scale).cut(mel))
        ]
        latents = plan.join(torch.cat(parts))
    return latents * vae.config.scaling_factor


@torch.no_grad()
def decode_latents(vae: Any, latents: Tensor, checkpoint: AudioLDM2Checkpoint, *, is_loop: bool = False) -> Tensor:
    """Decode latents to log-mel spectrograms: (B, C, T, W) -> (B, F, bins); long ones in overlapping windows."""
    scale = checkpoint.vae_scale_factor
    plan = plan_windows(latents.shape[2], checkpoint.window_frames, is_loop=is_loop)
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    if plan is None:
        return vae.decode(latents, return_dict=False)[0][:, 0]  # (B, 1, F, bins) -> (B, F, bins)
    mels: list[Tensor] = []
    for one in latents:
        parts = [vae.decode(part[None], return_dict=False)[0] for part in cancellable_steps(plan.cut(one[None]))]
        mels.append(plan.upsampled(scale).join(torch.cat(parts))[0, 0])
    return torch.stack(mels)


@torch.no_grad()
def vocode(
    vocoder: Any, mel: Tensor, checkpoint: AudioLDM2Checkpoint, *, samples: int, is_loop: bool = False
) -> Tensor:
    """Turn log-mel spectrograms into waveforms: (B, F, bins) -> (B, samples), float32 on the CPU.

    A long spectrogram is vocoded in segments, each with as many frames of context as the vocoder's receptive field, so
    that the result is that of the whole.
    """
    context, hop, frames = _receptive_frames(vocoder.config), checkpoint.hop_samples, mel.shape[1]
    if is_loop:
        mel = torch.cat([mel[:, torch.arange(-context, 0) % frames], mel, mel[:, torch.arange(context) % frames]], 1)
    first, last = (context, context + frames) if is_loop else (0, frames)
    segments: list[Tensor] = []
    for start in cancellable_steps(range(first, last, VOCODER_FRAMES)):
        stop = min(start + VOCODER_FRAMES, last)
        before = max(0, start - context)
        waveform = vocoder(mel[:, before : stop + context].to(vocoder.dtype))
        segments.append(waveform[:, (start - before) * hop : (stop - before) * hop].float().cpu())
    return torch.cat(segments, dim=1)[:, :samples]


def _receptive_frames(config: Any) -> int:
    """Return how many mel frames on either side of a frame HiFi-GAN looks at, rounded up."""
    reach, samples = 3.0, 1  # its first convolution has a kernel of 7
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
        reach += kernel / rate / samples
        samples *= rate
        widest = max(
            sum((size - 1) // 2 * (dilation + 1) for dilation in dilations)
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
        )
        reach += widest / samples
    return int(reach + 3 / samples) + 1
