"""Conditioning images: the image to start from, the inpainting mask, and the images of ControlNets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL.Image import Image, Resampling

from photism.drawing.image_reading import ImageSource, binarize, read_image, read_mask
from photism.errors import InputError


@dataclass(frozen=True, eq=False)
class ConditioningImages:
    """Conditioning images, as diffusers takes them.

    Attributes:
        image: RGB image to start from.
        mask_image: greyscale image of the size of `image`: white areas (255) are generated, black areas (0) are kept.
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

    def resized(self, height: int, width: int) -> ConditioningImages:
        """Return all images in one size, in pixels; a pixel of the mask is white if at least half of its area was."""
        size = width, height
        image, mask, control = self.image, self.mask_image, self.control_image
        if image is not None:
            image = image.resize(size, Resampling.LANCZOS)
        if mask is not None:
            mask = binarize(mask.resize(size, Resampling.BOX))
        if isinstance(control, list):
            control = [each.resize(size, Resampling.LANCZOS) for each in control]
        elif control is not None:
            control = control.resize(size, Resampling.LANCZOS)
        return ConditioningImages(image, mask, control)


def read_images(
    name: str, source: ImageSource | list[ImageSource] | None, *, background: str
) -> Image | list[Image] | None:
    """Read an image, or each image of a list.

    Raises:
        InputError: one cannot be read.
    """
    if isinstance(source, list):
        return [read_image(name, each, background=background) for each in source]
    return None if source is None else read_image(name, source, background=background)


def read_conditioning_images(
    image: ImageSource | None,
    mask_image: ImageSource | None,
    control_image: ImageSource | list[ImageSource] | None,
    *,
    background: str = "white",
) -> ConditioningImages:
    """Read conditioning images.

    Args:
        image: image to start from.
        mask_image: its mask.
        control_image: image of the ControlNet, or a list with one image per ControlNet.
        background: colour that is seen through transparent areas of `image` and `control_image`.

    Raises:
        InputError: an image cannot be read, or the mask has no image or another size.
    """
    images = ConditioningImages(
        None if image is None else read_image("image", image, background=background),
        None if mask_image is None else read_mask("mask_image", mask_image),
        read_images("control_image", control_image, background=background),
    )
    if images.mask_image is not None:
        if images.image is None:
            raise InputError("mask_image needs an image to mask; give image too")
        if images.mask_image.size != images.image.size:
            raise InputError(
                f"mask_image must have the size of image, {'×'.join(map(str, images.image.size))} pixels; "
                f"it has {'×'.join(map(str, images.mask_image.size))}",
                code="mask-size",
                values={"width": images.image.width, "height": images.image.height},
            )
    return images
