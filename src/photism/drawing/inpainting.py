"""Inpainting: keep the pixels of the given image where the mask is black, with any UNet."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from photism.prompts.diffusion.source import LATENT_CHANNELS


def allow_latents(diffusion: Any) -> None:
    """Let an inpainting pipeline take a UNet for latents of more channels than those of Stable Diffusion.

    The pipeline replaces the latents outside of the mask by those of the image at each step, which any number of
    channels allows. It decides by the number 4 whether it does so.

    Args:
        diffusion: a shallow copy of the pipeline; its UNet is replaced by one that shares the weights.
    """
    unet = diffusion.unet
    if unet.config.in_channels == diffusion.vae.config.latent_channels != LATENT_CHANNELS:
        unet = copy(unet)
        unet._internal_dict = type(unet.config)({**unet.config, "in_channels": LATENT_CHANNELS})
        vars(diffusion)["unet"] = unet  # setting the attribute would record its class again


def seam_weights(mask: Image.Image, seam: int) -> Image.Image:
    """Return the weight of a generated image over the given one at each pixel, as greyscale.

    It is 0 where the mask is black, and rises linearly over `seam` pixels from there into the white area, to 255.

    Args:
        mask: greyscale, 255 where an image is generated and 0 where it is kept.
        seam: number of pixels in which both images are mixed; 0 is a hard edge.
    """
    total = np.asarray(mask, np.float32)
    for _ in range(seam):
        mask = mask.filter(ImageFilter.MinFilter(3))  # without the outermost pixels of its white area
        if mask.getbbox() is None:
            break
        total = total + np.asarray(mask)
    return Image.fromarray(np.rint(total / (seam + 1)).astype(np.uint8))
