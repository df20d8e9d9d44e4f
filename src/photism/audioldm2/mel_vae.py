"""Between waveforms and latents: log-mel spectrograms, the VAE and the vocoder, of a sound of any length.

Source: the spectrogram is that of haoheliu/AudioLDM2, audioldm2/utilities: 1024 samples in a Hann window, magnitudes,
Slaney's mel bins up to half the sampling rate, natural logarithm of 1e-5 and more; of a waveform without its mean whose
peak is .5.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import Checkpoint
from photism.audioldm2.windows import Windows, plan_windows

FFT_SAMPLES = 1024
LEAST_MAGNITUDE = 1e-5
PEAK = 0.5
SILENT = 1e-8  # a peak below this is no sound that could be made louder
VOCODED_FRAMES = 4096  # at once, 41 s: what a vocoder holds of a long sound would fill the memory


def training_gain(waveform: Tensor) -> tuple[Tensor, float, float]:
    """A waveform as the model was trained on them, the mean that was taken off it and the factor that it was given."""
    mean = float(waveform.mean())
    centred = waveform - mean
    peak = float(centred.abs().max())
    gain = PEAK / peak if peak > SILENT else 1.0
    return centred * gain, mean, gain


def log_mel(waveforms: Tensor, checkpoint: Checkpoint) -> Tensor:
    """(B, T) waveforms -> (B, T // hop, bins), natural logarithms; T is whole hops, and more than half a window."""
    window = torch.hann_window(FFT_SAMPLES, device=waveforms.device)
    spectrum = torch.stft(
        waveforms, FFT_SAMPLES, checkpoint.hop_samples, window=window, pad_mode="reflect", return_complex=True
    )
    filters = _mel_filters(checkpoint.mel_bins, checkpoint.sampling_rate).to(waveforms.device)
    # (B, FFT bins, F + 1) -> (B, F, bins)
    return (spectrum[..., :-1].abs().transpose(1, 2) @ filters).clamp(min=LEAST_MAGNITUDE).log()


@cache
def _mel_filters(bins: int, sampling_rate: int) -> Tensor:
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        FFT_SAMPLES // 2 + 1, bins, 0.0, sampling_rate / 2, sampling_rate, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(filters).float()


@torch.no_grad()
def encode_mel(vae: Any, mel: Tensor, checkpoint: Checkpoint, *, is_loop: bool = False) -> Tensor:
    """(B, F, bins) of whole latent frames -> (B, C, F / scale, bins / scale) latents, as the UNet takes them."""
    scale = checkpoint.latent_scale
    windows = _decoding_windows(mel.shape[1] // scale, checkpoint, is_loop=is_loop)
    mel = mel[:, None].to(vae.dtype)  # (B, F, bins) -> (B, 1, F, bins)
    if windows is None:
        latents = vae.encode(mel).latent_dist.mode()
    else:
        parts = [vae.encode(part[None]).latent_dist.mode() for part in windows.finer(scale).cut(mel)]
        latents = windows.join(torch.cat(parts))
    return latents * vae.config.scaling_factor


@torch.no_grad()
def decode_latents(vae: Any, latents: Tensor, checkpoint: Checkpoint, *, is_loop: bool = False) -> Tensor:
    """(B, C, T, W) latents -> (B, F, bins) log-mel spectrograms."""
    scale = checkpoint.latent_scale
    windows = _decoding_windows(latents.shape[2], checkpoint, is_loop=is_loop)
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    if windows is None:
        return vae.decode(latents, return_dict=False)[0][:, 0]  # (B, 1, F, bins) -> (B, F, bins)
    mels: list[Tensor] = []
    for one in latents:
        parts = [vae.decode(part[None], return_dict=False)[0] for part in windows.cut(one[None])]
        mels.append(windows.finer(scale).join(torch.cat(parts))[0, 0])
    return torch.stack(mels)


@torch.no_grad()
def vocode(vocoder: Any, mel: Tensor, checkpoint: Checkpoint, *, samples: int, is_loop: bool = False) -> Tensor:
    """(B, F, bins) -> (B, samples) float32 on the processor, made piece by piece where it is long.

    A piece is given as many frames beside it as can change it, so that it is the same as in the whole.
    """
    context, hop, frames = _receptive_frames(vocoder.config), checkpoint.hop_samples, mel.shape[1]
    if is_loop:
        mel = torch.cat([mel[:, torch.arange(-context, 0) % frames], mel, mel[:, torch.arange(context) % frames]], 1)
    first, last = (context, context + frames) if is_loop else (0, frames)
    pieces: list[Tensor] = []
    for start in range(first, last, VOCODED_FRAMES):
        stop = min(start + VOCODED_FRAMES, last)
        before = max(0, start - context)
        made = vocoder(mel[:, before : stop + context].to(vocoder.dtype))
        pieces.append(made[:, (start - before) * hop : (stop - before) * hop].float().cpu())
    return torch.cat(pieces, dim=1)[:, :samples]


def _decoding_windows(total: int, checkpoint: Checkpoint, *, is_loop: bool) -> Windows | None:
    return plan_windows(total, checkpoint.window_frames, is_loop=is_loop)


def _receptive_frames(config: Any) -> int:
    """Mel frames on either side of one that HiFi-GAN looks at for it, rounded up."""
    reach, samples = 3.0, 1  # its first convolution is 7 wide
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
        reach += kernel / rate / samples
        samples *= rate
        widest = max(
            sum((size - 1) // 2 * (dilation + 1) for dilation in dilations)
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
        )
        reach += widest / samples
    return int(reach + 3 / samples) + 1
