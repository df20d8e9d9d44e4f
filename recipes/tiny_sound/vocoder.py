"""Stage 2: the vocoder, log-mel spectrograms to waveforms.

    python -m recipes.tiny_sound.vocoder [--steps N]

It is told how its spectrum differs from the target's at several resolutions (Parallel WaveGAN, arXiv 1910.11480), and
has no adversary: phases are its own.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from photism.audioldm2.mel_vae import log_mel
from recipes.tiny.training import Training, best_device, load_averaged
from recipes.tiny_sound.autoencoder import FLOOR, LIKE, MEL_BINS, read_mels
from recipes.tiny_sound.targets import HOP_SAMPLES, SAMPLING_RATE, read_targets, target_weights

NAME = "sound-vocoder"
CROP_FRAMES = 48
MEL_NOISE = 0.2
"""At most, of noise on the spectrograms: what the autoencoder decodes is never quite right."""

RESOLUTIONS = ((128, 32), (256, 64), (512, 128))
"""FFT and hop, samples. Of a steady spectrogram the vocoder, which has no noise of its own, makes multiples of 100 Hz:
where frequencies are told more finely than that, noise may be nearer to a tone than the tone beside it is."""

LEAST_MAGNITUDE = 1e-2

TONE_SHARE = 0.5
"""Of a batch are tones and their overtones that glide: the sounds have few, which were all learnt as noise."""

LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0
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
            if parameter.ndim > 1:  # transformers' own start is a hundredth everywhere, too faint to learn from soon
                parameter.normal_(std=(parameter[0].numel()) ** -0.5)
    loud = read_mels().clamp(min=FLOOR).flatten(0, 1)
    vocoder.mean.copy_(loud.mean(0))
    vocoder.scale.copy_(loud.std(0))
    return vocoder


def load_vocoder() -> SpeechT5HifiGan:
    vocoder = build_vocoder()
    load_averaged(NAME, vocoder)
    return vocoder.eval().requires_grad_(False)


def spectral_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Of (B, T) waveforms, over all resolutions: spectral convergence, and the absolute log-ratio of magnitudes."""
    distance = made.new_zeros(())
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size, device=made.device)
        one, other = (
            torch.stft(each, size, hop, window=window, return_complex=True).abs().clamp(min=LEAST_MAGNITUDE)
            for each in (made, wanted)
        )
        distance = distance + (one - other).norm() / other.norm() + F.l1_loss(one.log(), other.log())
    return distance / len(RESOLUTIONS)


def gliding_tones(count: int, samples: int, generator: torch.Generator) -> Tensor:
    """Tones with overtones, from one frequency to another, in faint noise: (count, samples), no peak above .5."""

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    time = torch.linspace(0, 1, samples)
    first = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** draw(count, 1)
    glide = (2 * draw(count, 1) - 1) * draw(count, 1).square()  # octaves
    frequency = first * 2 ** (glide * time)  # (count, samples), Hz
    phase = 2 * torch.pi * frequency.cumsum(1) / SAMPLING_RATE
    tones = torch.zeros(count, samples)
    for overtone in range(1, OVERTONES + 1):
        loudness = draw(count, 1) ** 2 / overtone**0.5
        audible = frequency * overtone < SAMPLING_RATE / 2
        tones += audible * loudness * torch.sin(overtone * phase + 2 * torch.pi * draw(count, 1))
    tones = tones / tones.abs().amax(1, keepdim=True).clamp(min=1e-3)
    swell = draw(count, 1) + (draw(count, 1) - draw(count, 1)) * time
    noise = 10 ** (-3 + 2 * draw(count, 1)) * torch.randn(count, samples, generator=generator)
    return 0.5 * (swell.clamp(0.05, 1) * (tones + noise)).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    arguments = parser.parse_args()

    device = best_device()
    waveforms, mels = read_targets()[1], read_mels()
    # At least half of a crop is sound.
    is_loud = mels.amax(2) > FLOOR + 2  # (N, frames)
    starts = is_loud.float().unfold(1, CROP_FRAMES, 1).mean(2).gt(0.5).nonzero()
    weights = (target_weights() / is_loud.sum(1).clamp(min=1))[starts[:, 0]]
    torch.manual_seed(0)
    vocoder = build_vocoder().to(device)
    training = Training(
        NAME, vocoder, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.995, warmup_steps=100
    )

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        toned = int(TONE_SHARE * arguments.batch_size)
        drawn = torch.multinomial(weights, arguments.batch_size - toned, replacement=True, generator=generator)
        chosen = starts[drawn].tolist()
        tones = gliding_tones(toned, CROP_FRAMES * HOP_SAMPLES, generator)
        wanted = torch.stack([waveforms[row, s * HOP_SAMPLES : (s + CROP_FRAMES) * HOP_SAMPLES] for row, s in chosen])
        heard = torch.stack([mels[row, s : s + CROP_FRAMES] for row, s in chosen])
        wanted, heard = torch.cat([wanted, tones]), torch.cat([heard, log_mel(tones, LIKE)]).clamp(min=FLOOR)
        heard = heard + MEL_NOISE * torch.rand(len(heard), 1, 1, generator=generator) * torch.randn(
            heard.shape, generator=generator
        )
        made = vocoder(heard.to(device))[:, : wanted.shape[1]]  # which is a few samples longer
        wanted = wanted.to(device)
        spectral = spectral_distance(made, wanted)
        mel = F.l1_loss(log_mel(made, LIKE).clamp(min=FLOOR), log_mel(wanted, LIKE).clamp(min=FLOOR))
        return {"loss": spectral + 2 * mel, "spectral": spectral, "mel": mel}

    training.run(loss_function)


if __name__ == "__main__":
    main()
