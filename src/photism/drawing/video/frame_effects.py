"""Effects on a generated image that follow the recording: zoom and saturation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def zoomed(image: Image, zoom: float) -> Image:
    """Enlarge the centre of an image to its full size. The crop is not rounded to pixels, so that motion is smooth."""
    if zoom == 1:
        return image
    from PIL.Image import Resampling

    width, height = image.size
    margin_x, margin_y = (width - width / zoom) / 2, (height - height / zoom) / 2
    box = (margin_x, margin_y, width - margin_x, height - margin_y)
    return image.resize(image.size, Resampling.BICUBIC, box=box)


def saturated(image: Image, saturation: float) -> Image:
    """Multiply the saturation of an image: 0 makes it grey, and 1 leaves it as it is."""
    if saturation == 1:
        return image
    from PIL.ImageEnhance import Color

    return Color(image).enhance(saturation)
