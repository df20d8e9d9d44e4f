"""Stage 1: the autoencoder, 128×128 pixels to 8×8×16 latents and back.

    python recipes/tiny/train_autoencoder.py [--steps N]

Latents of 8×8 rather than the usual 16×16 hold as many numbers (1,024) and make each step of the UNet 2.3 times
cheaper. The loss is L1 over a Laplacian pyramid, which keeps edges that plain L1 blurs; there is no perceptual network,
since nothing pretrained is used. The decoder sees latents with noise added, so that it forgives the UNet small errors.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from corpus import read_pictures
from diffusers import AutoencoderKL
from torch import Tensor
from training import Training, autocast, batch_of, best_device

NAME = "autoencoder"
LATENT_NOISE = 0.1
"""Standard deviation of the noise; the latents' own is 1."""

POSTERIOR_LOG_VARIANCE = -9.0
"""The encoder is trained as a deterministic one: its posterior stays this narrow everywhere."""


def build_autoencoder() -> AutoencoderKL:
    channels = (16, 32, 64, 128, 128)
    model = AutoencoderKL(
        sample_size=128,
        latent_channels=16,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        latents = model.config.latent_channels
        model.quant_conv.weight[latents:].zero_()
        model.quant_conv.bias[latents:].fill_(POSTERIOR_LOG_VARIANCE)
    return model


def to_signal(pixels: Tensor) -> Tensor:
    """uint8 (B, height, width, 3) -> float32 (B, 3, height, width) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def pyramid_loss(output: Tensor, target: Tensor, levels: int = 4) -> Tensor:
    """L1 of each band of a Laplacian pyramid, finest first, summed."""
    difference, loss = output - target, output.new_zeros(())
    for level in range(levels):
        smaller = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(smaller, scale_factor=2.0)
        loss = loss + band.abs().mean() * 2**level
        difference = smaller
    return loss + difference.abs().mean() * 2**levels


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """A random flip, scale and shift for each picture, white outside: (B, 3, height, width) in and out."""
    count = len(pictures)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    scale = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, 0.8 + 0.5 * torch.rand(count, generator=generator))
    shift = 0.1 * (2 * torch.rand(count, 2, generator=generator) - 1) * (scale != 1)[:, None]
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = flip * scale, scale, shift
    grid = F.affine_grid(theta.to(pictures.device), list(pictures.shape), align_corners=False)
    return 1 + F.grid_sample(pictures - 1, grid, align_corners=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    pixels = torch.from_numpy(read_pictures().pixels).to(device)
    torch.manual_seed(0)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.998)

    def reconstruct(pictures: Tensor) -> Tensor:
        latents = model.encode(pictures).latent_dist.mean
        # Without this the latents shrink to nothing before the decoder has learnt to use them.
        latents = latents / latents.std()
        return model.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample

    compiled = torch.compile(reconstruct)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = batch_of(len(pixels), arguments.batch_size, generator)
        pictures = augment(to_signal(pixels[chosen.to(device)]), generator).to(memory_format=torch.channels_last)
        with autocast(device):
            output = compiled(pictures)
        loss = pyramid_loss(output.float(), pictures)
        psnr = -10 * ((output.float() - pictures).detach() / 2).square().mean().log10()
        return {"loss": loss, "psnr_db": psnr}

    def sample_sheet(step: int) -> None:
        pictures = to_signal(pixels[:: len(pixels) // 16][:16])
        with torch.no_grad(), autocast(device):
            output = reconstruct(pictures)
        sheet = torch.cat([pictures, output.float()]).clamp(-1, 1) / 2 + 0.5
        training.writer.add_images("original above, decoded below", sheet, step)

    training.run(loss_function, on_checkpoint=sample_sheet)


if __name__ == "__main__":
    main()
