"""Sizes of generated images: the requested one or that of a given image, rounded to what the model can generate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.drawing.conditioning_images import ConditioningImages

DIFFUSERS_UNIT = 8  # pixels; diffusers takes no other sizes


def choose_size(
    diffusion: Any,
    conditioning: ConditioningImages,
    *,
    height: int | None = None,
    width: int | None = None,
    keep_image_size: bool = False,
) -> tuple[int, int]:
    """Return the height and width of generated images, in pixels.

    By default this is the size of the image to start from, or else of the first control image, or else the size that
    the model was trained with. An image of a larger area than that is scaled down to this area with its aspect ratio,
    since a model repeats its subject on a larger one. Sides are rounded to the nearest multiple of 8 pixels, or of the
    downsampling factor of the VAE if that is larger: a UNet takes latents of any size.

    Args:
        diffusion: a diffusers pipeline.
        conditioning: given images.
        height: requested height, given together with `width`.
        width: requested width.
        keep_image_size: do not scale a large image down.

    Raises:
        InputError: a side is smaller than that multiple.
    """
    unit = max(DIFFUSERS_UNIT, diffusion.vae_scale_factor)
    if height is not None and width is not None:
        for name, side in (("height", height), ("width", width)):
            if side < unit:
                raise SettingError(name, f"must be at least {unit} pixels; got {side}", values={"minimum": unit})
        return _rounded(height, unit), _rounded(width, unit)
    default_height, default_width = _trained_size(diffusion)
    control = conditioning.control_image
    image = conditioning.image or (control[0] if isinstance(control, list) else control)
    if image is None:
        return default_height, default_width
    if min(image.size) < unit:
        name = "control_image" if conditioning.image is None else "image"
        raise InputError(
            f"{name} must have at least {unit}×{unit} pixels; it has {image.width}×{image.height}: "
            "give a larger one, or a height and width"
        )
    scale = min(1, math.sqrt(default_height * default_width / (image.height * image.width)))
    scale = 1 if keep_image_size else scale
    return _rounded(image.height * scale, unit), _rounded(image.width * scale, unit)


def _rounded(side: float, unit: int) -> int:
    return max(1, math.floor(side / unit + 0.5)) * unit


def _trained_size(diffusion: Any) -> tuple[int, int]:
    """Return the height and width of the images that the UNet was trained on."""
    size = diffusion.unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return height * diffusion.vae_scale_factor, width * diffusion.vae_scale_factor
