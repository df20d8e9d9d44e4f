"""Stage 1: train the autoencoder, which encodes log-mel spectrograms to latents and decodes them.

    python -m recipes.tiny_sound.autoencoder [--steps N]

As in recipes/tiny the latents are fixed: the principal components of spectrogram patches. Encoder and decoder need not
find a code together, and the UNet can be trained on the exact latents at the same time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from photism.audioldm2.mel_vae import log_mel
from recipes.tiny.training import Training, autocast, best_device, load_averaged
from recipes.tiny_sound.targets import HOP_SAMPLES, SAMPLING_RATE, draw_targets, read_targets, target_weights

NAME = "sound-autoencoder"
MEL_BINS = 64
FLOOR = -8.0
"""Minimum log-mel value: less is inaudible next to a peak of 0.5, and would dominate the variance of the latents."""

CHANNELS = (16, 32, 64, 96, 128)
PATCH = 2 ** (len(CHANNELS) - 1)  # mel frames, and mel bins
LATENT_CHANNELS = 64
LATENT_NOISE = 0.15
"""Maximum noise on the latents that the decoder is trained on, since those of the UNet are not exact."""

POSTERIOR_LOG_VARIANCE = -9.0
"""Log-variance of the encoder's posterior, narrow everywhere, since the encoder is deterministic."""

MEL_CONFIG = cast("Any", SimpleNamespace(hop_samples=HOP_SAMPLES, mel_bins=MEL_BINS, sampling_rate=SAMPLING_RATE))
"""The values of a checkpoint that `photism.audioldm2` needs to compute a spectrogram."""


@cache
def read_mels() -> Tensor:
    """Return the spectrograms of all targets as the pipeline computes them: float32 (N, frames, bins), not clamped."""
    return torch.cat([log_mel(some, MEL_CONFIG) for some in read_targets()[1].split(64)])


def build_autoencoder() -> AutoencoderKL:
    model = AutoencoderKL(
        sample_size=read_mels().shape[1],
        in_channels=1,
        out_channels=1,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        mid_block_add_attention=False,
        scaling_factor=1.0,  # the latents have variance 1
    )
    with torch.no_grad():
        model.quant_conv.weight[LATENT_CHANNELS:].zero_()
        model.quant_conv.bias[LATENT_CHANNELS:].fill_(POSTERIOR_LOG_VARIANCE)
        model.decoder.conv_out.bias.fill_(FLOOR)  # most of the output is silence
    return model


def load_autoencoder() -> AutoencoderKL:
    model = build_autoencoder()
    load_averaged(NAME, model)
    return model.eval().requires_grad_(False)


@dataclass(frozen=True)
class PatchCode:
    """Principal components of all patches: `mean` (PATCH²,) and `components` (PATCH², LATENT_CHANNELS).

    A component is divided by the root of its standard deviation, and all latents together have variance 1. Fully
    whitened, the weakest component would count as much as the strongest in the UNet's loss; unscaled, the weak ones
    would be lost in noise.
    """

    mean: Tensor
    components: Tensor

    def encode(self, mels: Tensor) -> Tensor:
        """Return the latents: (B, frames, bins) -> (B, LATENT_CHANNELS, frames / PATCH, bins / PATCH)."""
        rows, columns = mels.shape[1] // PATCH, mels.shape[2] // PATCH
        latents = (patches(mels) - self.mean.to(mels.device)) @ self.components.to(mels.device)
        return latents.transpose(1, 2).unflatten(2, (rows, columns))  # (B, L, C) -> (B, C, rows, columns)


def patches(mels: Tensor) -> Tensor:
    """Cut into patches, clamped at FLOOR: (B, frames, bins) -> (B, patches, PATCH²)."""
    return F.unfold(mels.clamp(min=FLOOR)[:, None], PATCH, stride=PATCH).transpose(1, 2)


@cache
def patch_code() -> PatchCode:
    """Compute the principal components from the targets, which takes seconds and is deterministic."""
    found = patches(read_mels())
    weights = target_weights().repeat_interleave(found.shape[1])[:, None].double() / found.shape[1]
    found = found.flatten(0, 1).double()
    mean = (weights * found).sum(0)
    variances, vectors = torch.linalg.eigh((weights * (found - mean)).T @ (found - mean))
    variances, vectors = variances.flip(0)[:LATENT_CHANNELS], vectors.flip(1)[:, :LATENT_CHANNELS]
    # The sign of an eigenvector is arbitrary; it is fixed so that every machine has the same latents.
    vectors = vectors * vectors.sum(0).sign()
    scale = variances.sqrt().rsqrt()
    scale = scale / (variances * scale.square()).mean().sqrt()
    return PatchCode(mean.float(), (vectors * scale).float())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    arguments = parser.parse_args()

    device = best_device()
    code, mels = patch_code(), read_mels()
    torch.manual_seed(0)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.99)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = mels[draw_targets(arguments.batch_size, generator)]
        # Shifted in time and changed in level: generated sound begins anywhere.
        chosen = chosen.roll(int(torch.randint(chosen.shape[1], (), generator=generator)), 1)
        chosen = (chosen + 2 * torch.rand(len(chosen), 1, 1, generator=generator) - 1.5).to(device)
        target, exact = chosen.clamp(min=FLOOR), code.encode(chosen)
        strength = LATENT_NOISE * torch.rand(len(exact), 1, 1, 1, generator=generator).to(device)
        latents = exact + strength * torch.randn(exact.shape, generator=generator).to(device)
        with autocast(device):
            decoded = model.decode(latents.contiguous(memory_format=torch.channels_last)).sample[:, 0].float()
            # The encoder has the easier task: a sixth of the spectrograms is enough for it.
            encoded = model.encode(chosen[: -(-len(chosen) // 6), None]).latent_dist.mean
        squared, absolute = F.mse_loss(decoded, target), F.l1_loss(decoded, target)
        encoder_loss = F.mse_loss(encoded.float(), exact[: len(encoded)])
        audible = (decoded - target).abs()[target > FLOOR].mean()
        return {"loss": squared / 2 + absolute + encoder_loss, "encoder": encoder_loss, "audible": audible}

    training.run(loss_function)


if __name__ == "__main__":
    main()
