"""Stage 2: train the vocoder, which turns log-mel spectrograms into waveforms.

    python -m recipes.tiny_sound.vocoder [--steps N]

Its loss is the multi-resolution STFT loss of Parallel WaveGAN, arXiv 1910.11480, without a discriminator: phases are
free.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from photism.audioldm2.mel_vae import log_mel
from recipes.tiny.training import Training, best_device, load_averaged
from recipes.tiny_sound.autoencoder import FLOOR, MEL_BINS, MEL_CONFIG, read_mels
from recipes.tiny_sound.targets import HOP_SAMPLES, SAMPLING_RATE, read_targets, target_weights

NAME = "sound-vocoder"
CROP_FRAMES = 48
MEL_NOISE = 0.2
"""Maximum noise on the spectrograms, since those of the autoencoder are not exact."""

RESOLUTIONS = ((128, 32), (256, 64), (512, 128))
"""FFT length and hop in samples. From a constant spectrogram the vocoder, which has no noise input, can only generate
multiples of 100 Hz. With a finer frequency resolution, noise may be nearer to a tone than the tone next to it."""

MIN_MAGNITUDE = 1e-2

TONE_FRACTION = 0.5
"""Fraction of a batch that is gliding tones with overtones: the targets have few, which were all learned as noise."""

MIN_HZ, MAX_HZ = 150.0, 4000.0
OVERTONES = 6


def build_vocoder() -> SpeechT5HifiGan:
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=MEL_BINS,
            sampling_rate=SAMPLING_RATE,
            upsample_initial_channel=256,
            upsample_rates=[5, 4, 4, 2],
            upsample_kernel_sizes=[10, 8, 8, 4],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3], [1, 3]],
            normalize_before=True,
        )
    )
    with torch.no_grad():
        for parameter in vocoder.parameters():
            if parameter.ndim > 1:  # transformers' initialisation of 0.01 is too small for training to start quickly
                parameter.normal_(std=(parameter[0].numel()) ** -0.5)
    frames = read_mels().clamp(min=FLOOR).flatten(0, 1)
    vocoder.mean.copy_(frames.mean(0))
    vocoder.scale.copy_(frames.std(0))
    return vocoder


def load_vocoder() -> SpeechT5HifiGan:
    vocoder = build_vocoder()
    load_averaged(NAME, vocoder)
    return vocoder.eval().requires_grad_(False)


def stft_loss(generated: Tensor, target: Tensor) -> Tensor:
    """Return the spectral convergence plus the log-magnitude loss of waveforms (B, T), averaged over resolutions."""
    loss = generated.new_zeros(())
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size, device=generated.device)
        one, other = (
            torch.stft(each, size, hop, window=window, return_complex=True).abs().clamp(min=MIN_MAGNITUDE)
            for each in (generated, target)
        )
        loss = loss + (one - other).norm() / other.norm() + F.l1_loss(one.log(), other.log())
    return loss / len(RESOLUTIONS)


def gliding_tones(count: int, samples: int, generator: torch.Generator) -> Tensor:
    """Return gliding tones with overtones in weak noise: (count, samples), with peaks of at most 0.5."""

    def draw(*shape: int) -> Tensor:
        """Draw uniformly from 0 to 1."""
        return torch.rand(shape, generator=generator)

    time = torch.linspace(0, 1, samples)
    first = MIN_HZ * (MAX_HZ / MIN_HZ) ** draw(count, 1)
    glide = (2 * draw(count, 1) - 1) * draw(count, 1).square()  # octaves
    frequency = first * 2 ** (glide * time)  # (count, samples), Hz
    phase = 2 * torch.pi * frequency.cumsum(1) / SAMPLING_RATE
    tones = torch.zeros(count, samples)
    for overtone in range(1, OVERTONES + 1):
        amplitude = draw(count, 1) ** 2 / overtone**0.5
        audible = frequency * overtone < SAMPLING_RATE / 2
        tones += audible * amplitude * torch.sin(overtone * phase + 2 * torch.pi * draw(count, 1))
    tones = tones / tones.abs().amax(1, keepdim=True).clamp(min=1e-3)
    envelope = draw(count, 1) + (draw(count, 1) - draw(count, 1)) * time
    noise = 10 ** (-3 + 2 * draw(count, 1)) * torch.randn(count, samples, generator=generator)
    return 0.5 * (envelope.clamp(0.05, 1) * (tones + noise)).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    arguments = parser.parse_args()

    device = best_device()
    waveforms, mels = read_targets()[1], read_mels()
    # At least half of the frames of a crop are above the floor.
    is_loud = mels.amax(2) > FLOOR + 2  # (N, frames)
    starts = is_loud.float().unfold(1, CROP_FRAMES, 1).mean(2).gt(0.5).nonzero()
    weights = (target_weights() / is_loud.sum(1).clamp(min=1))[starts[:, 0]]
    torch.manual_seed(0)
    vocoder = build_vocoder().to(device)
    training = Training(
        NAME, vocoder, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.995, warmup_steps=100
    )

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        tone_count = int(TONE_FRACTION * arguments.batch_size)
        drawn = torch.multinomial(weights, arguments.batch_size - tone_count, replacement=True, generator=generator)
        chosen = starts[drawn].tolist()
        tones = gliding_tones(tone_count, CROP_FRAMES * HOP_SAMPLES, generator)
        target = torch.stack([waveforms[row, s * HOP_SAMPLES : (s + CROP_FRAMES) * HOP_SAMPLES] for row, s in chosen])
        inputs = torch.stack([mels[row, s : s + CROP_FRAMES] for row, s in chosen])
        target, inputs = torch.cat([target, tones]), torch.cat([inputs, log_mel(tones, MEL_CONFIG)]).clamp(min=FLOOR)
        inputs = inputs + MEL_NOISE * torch.rand(len(inputs), 1, 1, generator=generator) * torch.randn(
            inputs.shape, generator=generator
        )
        generated = vocoder(inputs.to(device))[:, : target.shape[1]]  # which is a few samples longer
        target = target.to(device)
        spectral = stft_loss(generated, target)
        mel = F.l1_loss(log_mel(generated, MEL_CONFIG).clamp(min=FLOOR), log_mel(target, MEL_CONFIG).clamp(min=FLOOR))
        return {"loss": spectral + 2 * mel, "spectral": spectral, "mel": mel}

    training.run(loss_function)


if __name__ == "__main__":
    main()
