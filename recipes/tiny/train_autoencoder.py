"""Stage 1: train the autoencoder between 128×128 pixels and 8×8×24 latents.

    python -m recipes.tiny.train_autoencoder [--steps N]

An autoencoder trained from scratch spends most of its time on finding a latent space for its two halves. Here the
latents are given: the principal components of the images' 16×16 patches, from which a linear reconstruction has 21 dB
of PSNR. The decoder learns to reconstruct more than that from them and the encoder to compute them, each supervised
directly, and the UNet can be trained on the exact latents at the same time. Latents of 8×8 instead of the usual 16×16
halve the cost of a UNet step.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from recipes.tiny.corpus import read_pictures
from recipes.tiny.training import Training, autocast, batch_of, best_device

NAME = "autoencoder"
PATCH = 16
LATENT_CHANNELS = 24
LATENT_NOISE = 0.25
"""Maximum standard deviation of the noise on the decoder's latents, since those of the UNet are not exact."""

POSTERIOR_LOG_VARIANCE = -9.0
"""Log variance of the encoder's posterior everywhere, which makes it nearly deterministic."""


def build_autoencoder() -> AutoencoderKL:
    channels = (16, 32, 64, 128, 192)
    model = AutoencoderKL(
        sample_size=128,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        model.quant_conv.weight[LATENT_CHANNELS:].zero_()
        model.quant_conv.bias[LATENT_CHANNELS:].fill_(POSTERIOR_LOG_VARIANCE)
        # Images are mostly white, so start there.
        model.decoder.conv_out.bias.fill_(1.0)
    return model


@dataclass(frozen=True)
class PatchCode:
    """The principal components of the images' patches: `mean` (768,) and `components` (768, LATENT_CHANNELS).

    Components are whitened halfway, by the square root of their standard deviation. Fully whitened, the weakest would
    count as much as the strongest in the UNet's loss; without whitening, noise would hide them. All latents together
    have variance 1.
    """

    mean: Tensor
    components: Tensor

    def encode(self, pictures: Tensor) -> Tensor:
        """Encode images in [-1, 1], (B, 3, height, width) -> (B, LATENT_CHANNELS, height / 16, width / 16)."""
        rows, columns = pictures.shape[2] // PATCH, pictures.shape[3] // PATCH
        patches = F.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2)  # (B, 768, L) -> (B, L, 768)
        latents = (patches - self.mean.to(patches.device)) @ self.components.to(patches.device)
        return latents.transpose(1, 2).unflatten(2, (rows, columns))  # (B, L, channels) -> (B, channels, rows, columns)


@cache
def patch_code() -> PatchCode:
    """Compute the principal components of the images, in seconds and deterministically."""
    pictures = to_signal(torch.from_numpy(read_pictures().pixels))
    patches = F.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1).double()
    mean = patches.mean(0)
    covariance = (patches - mean).T @ (patches - mean) / len(patches)
    variances, vectors = torch.linalg.eigh(covariance)
    variances, vectors = variances.flip(0)[:LATENT_CHANNELS], vectors.flip(1)[:, :LATENT_CHANNELS]
    # The sign of an eigenvector is arbitrary; fix it, so that every machine has the same latents.
    vectors = vectors * vectors.sum(0).sign()
    scale = variances.sqrt().rsqrt()
    scale = scale / (variances * scale.square()).mean().sqrt()
    return PatchCode(mean.float(), (vectors * scale).float())


def to_signal(pixels: Tensor) -> Tensor:
    """Convert pixels, uint8 (B, height, width, 3), to float32 (B, 3, height, width) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Flip, scale and shift each image (B, 3, height, width) at random, with white outside."""
    count = len(pictures)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    whole = torch.rand(count, generator=generator) < 0.5
    scale = torch.where(whole, 1.0, 0.8 + 0.5 * torch.rand(count, generator=generator))
    shift = 0.1 * (2 * torch.rand(count, 2, generator=generator) - 1) * ~whole[:, None]
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = flip * scale, scale, shift
    grid = F.affine_grid(theta.to(pictures.device), list(pictures.shape), align_corners=False)
    return 1 + F.grid_sample(pictures - 1, grid, align_corners=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    code = patch_code()
    pixels = torch.from_numpy(read_pictures().pixels).to(device)
    torch.manual_seed(0)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.998)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = batch_of(len(pixels), arguments.batch_size, generator)
        pictures = augment(to_signal(pixels[chosen.to(device)]), generator).to(memory_format=torch.channels_last)
        exact = code.encode(pictures)
        strength = LATENT_NOISE * torch.rand(len(exact), 1, 1, 1, generator=generator).to(device)
        latents = exact + strength * torch.randn(exact.shape, generator=generator).to(device)
        with autocast(device):
            drawn = model.decode(latents).sample
            # The encoder has the easier task: an eighth of the images is enough for it.
            found = model.encode(pictures[: math.ceil(len(pictures) / 8)]).latent_dist.mean
        squared = F.mse_loss(drawn.float(), pictures)
        # The squared error fits the shapes, the absolute error sharpens them.
        drawing = 4 * squared + F.l1_loss(drawn.float(), pictures)
        finding = F.mse_loss(found.float(), exact[: len(found)])
        psnr = -10 * (squared.detach() / 4).log10()
        return {"loss": drawing + finding, "drawing": drawing, "finding": finding, "psnr_db": psnr}

    def sample_sheet(step: int) -> None:
        pictures = to_signal(pixels[:: len(pixels) // 16][:16])
        decoded = model.decode(code.encode(pictures)).sample
        again = model.decode(model.encode(pictures).latent_dist.mean).sample
        sheet = torch.cat([pictures, decoded, again]).clamp(-1, 1) / 2 + 0.5
        training.writer.add_images("original, decoded, encoded and decoded", sheet, step)
        psnr = -10 * ((decoded - pictures) / 2).square().mean().log10()
        print(f"{step}: decoder PSNR {psnr:.2f} dB on 16 images", flush=True)

    training.run(loss_function, evaluate=sample_sheet)


if __name__ == "__main__":
    main()
