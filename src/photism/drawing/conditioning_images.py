"""Conditioning images: the image to start from, the inpainting mask, and the images of ControlNets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from photism.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "Image | str | Path"
"""An image or its file. A file is rotated as its EXIF orientation says, and its alpha channel is dropped."""


@dataclass(frozen=True, eq=False)
class ConditioningImages:
    """Conditioning images, as diffusers takes them.

    Attributes:
        image: RGB image to start from.
        mask_image: greyscale image of the size of `image`: white areas are generated, black areas are kept.
        control_image: RGB image for the ControlNet, or a list with one image per ControlNet.
    """

    image: Image | None = None
    mask_image: Image | None = None
    control_image: Image | list[Image] | None = None

    def arguments(self, count: int, *, control_name: str) -> dict[str, Any]:
        """Return the arguments of a diffusion pipeline that generates `count` images at once.

        The image and the mask are repeated for each generated image. The inpainting pipelines encode a single one with
        the first generator only, so that every image would depend on the first seed.

        Args:
            count: number of images.
            control_name: name of the pipeline's argument for the ControlNet's image.
        """
        arguments: dict[str, Any] = {}
        for name, image in (("image", self.image), ("mask_image", self.mask_image)):
            if image is not None:
                arguments[name] = [image] * count if count > 1 else image  # `padding_mask_crop` takes no list
        if self.control_image is not None:
            arguments[control_name] = self.control_image
        return arguments


def read_conditioning_images(
    image: ImageSource | None,
    mask_image: ImageSource | None,
    control_image: ImageSource | list[ImageSource] | None,
) -> ConditioningImages:
    """Open conditioning images and convert them to RGB, the mask to greyscale.

    Raises:
        InputError: an image cannot be read, or the mask has no image or another size.
    """
    if isinstance(control_image, list):
        control = [_read("control_image", each) for each in control_image]
    else:
        control = None if control_image is None else _read("control_image", control_image)
    images = ConditioningImages(
        None if image is None else _read("image", image),
        None if mask_image is None else _read("mask_image", mask_image).convert("L"),
        control,
    )
    if images.mask_image is not None:
        if images.image is None:
            raise InputError("mask_image needs an image to mask; give image too")
        if images.mask_image.size != images.image.size:
            raise InputError(
                f"mask_image must have the size of image, {'×'.join(map(str, images.image.size))} pixels; "
                f"it has {'×'.join(map(str, images.mask_image.size))}"
            )
    return images


def _read(name: str, source: ImageSource) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(source, Image.Image):
        return source.convert("RGB")
    try:
        with Image.open(source) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{name} must be an image or the file of one; {source} is not an image") from None
    except OSError as error:
        raise InputError(f"{name} {source} cannot be read: {error.strerror or error}") from None
