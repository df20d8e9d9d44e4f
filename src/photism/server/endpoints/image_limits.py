"""Limits of the images that one request may have generated."""

from __future__ import annotations

from PIL.Image import Image

from photism.drawing.settings import DrawSettings, ImageSettings
from photism.prompts.settings import MixSettings
from photism.server.settings import LimitSettings
from photism.settings import SettingError

MEGAPIXEL = 1_000_000


def check_count(settings: DrawSettings, mixing: MixSettings, limits: LimitSettings) -> None:
    """Check the number of images.

    Raises:
        SettingError: there are more than the server allows.
    """
    images, steps, most = settings.images_per_sound, mixing.morph or 1, limits.max_images
    for name, count in (("images_per_sound", images), ("morph", steps)):
        if count > most:
            raise SettingError(name, f"must be at most {most} on this server; got {count}", values={"maximum": most})
    if images * steps > most:
        problem = f"times {{}} must be at most {most} on this server"
        raise SettingError("morph", problem, "images_per_sound", values={"maximum": most // images})


def check_size(settings: ImageSettings, limits: LimitSettings) -> None:
    """Check the size of the images, if a request determines it.

    Raises:
        SettingError: an image has more pixels than the server allows.
    """
    name, width, height = "width", settings.width, settings.height
    if width is None and settings.keep_image_size and isinstance(settings.image, Image):
        name, (width, height) = "keep_image_size", settings.image.size
    if width is not None and height is not None and width * height > limits.max_megapixels * MEGAPIXEL:
        allowed = f"at most {limits.max_megapixels:g} megapixels on this server"
        problem = f"must give an image of {allowed}; got {width}×{height} pixels"
        raise SettingError(name, problem, code="too-many-pixels")
