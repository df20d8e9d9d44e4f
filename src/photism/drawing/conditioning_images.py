"""The pictures that a drawing is given: the one it starts from, the mask of what to draw anew, and a ControlNet's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from photism.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

PictureSource: TypeAlias = "Image | str | Path"
"""A picture, or the file of one; it is turned the way its camera was held, and transparency is left out."""


@dataclass(frozen=True, eq=False)
class GivenPictures:
    """Pictures as diffusers takes them.

    Attributes:
        image: RGB, what to start from.
        mask_image: grey, as large as `image`: what is white is drawn anew, what is black stays.
        control_image: RGB, what a ControlNet holds the drawing to; one for each where there are several.
    """

    image: Image | None = None
    mask_image: Image | None = None
    control_image: Image | list[Image] | None = None

    def arguments(self, count: int, *, control_name: str) -> dict[str, Any]:
        """What a diffusion pipeline that draws `count` pictures at once is given.

        The image and the mask go in once for each picture: a single one is encoded by the inpainting pipelines with the
        first picture's seed, and every picture would depend on it.

        Args:
            count: of pictures.
            control_name: the pipeline's name for the ControlNet's picture.
        """
        given: dict[str, Any] = {}
        for name, picture in (("image", self.image), ("mask_image", self.mask_image)):
            if picture is not None:
                given[name] = [picture] * count if count > 1 else picture  # some arguments go with no list
        if self.control_image is not None:
            given[control_name] = self.control_image
        return given


def read_pictures(
    image: PictureSource | None,
    mask_image: PictureSource | None,
    control_image: PictureSource | list[PictureSource] | None,
) -> GivenPictures:
    """Opens pictures.

    Raises:
        InputError: one cannot be read, or the mask is not as large as the image.
    """
    if isinstance(control_image, list):
        control = [_read("control_image", each) for each in control_image]
    else:
        control = None if control_image is None else _read("control_image", control_image)
    given = GivenPictures(
        None if image is None else _read("image", image),
        None if mask_image is None else _read("mask_image", mask_image).convert("L"),
        control,
    )
    if given.mask_image is not None:
        if given.image is None:
            raise InputError("mask_image must be left out where there is no image to mask")
        if given.mask_image.size != given.image.size:
            raise InputError(
                f"mask_image must be as large as image, {'×'.join(map(str, given.image.size))} pixels; "
                f"it has {'×'.join(map(str, given.mask_image.size))}"
            )
    return given


def _read(name: str, source: PictureSource) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(source, Image.Image):
        return source.convert("RGB")
    try:
        with Image.open(source) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{name} must be a picture or the file of one; {source} is none") from None
    except OSError as error:
        raise InputError(f"{name} {source} cannot be read: {error.strerror or error}") from None
