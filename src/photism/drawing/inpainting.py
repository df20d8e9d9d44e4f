"""Inpainting: keep the pixels of the given image where the mask is black."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


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
