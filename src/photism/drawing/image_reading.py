"""Read given images: Pillow images, image files, arrays and tensors of any bit depth, as 8-bit RGB or as a mask."""

from __future__ import annotations

import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from photism.errors import ImageWarning, InputError, as_input_error
from photism.settings import SettingError

if TYPE_CHECKING:
    from torch import Tensor

ImageSource: TypeAlias = "Image.Image | str | Path | bytes | NDArray[Any] | Tensor"
"""An image: of Pillow, its file or the bytes of one, a NumPy array (H, W) or (H, W, C), or a tensor (C, H, W), where C
is 1 to 4: grey, grey and alpha, RGB, or RGB and alpha. A batch of one is taken as well, and the other order of the axes
where it is unambiguous.

Levels are 8 bits, or 16 bits, of which the upper 8 are used, or floats. Floats are from 0 to 1; if one is negative,
from -1 to 1, as diffusers scales tensors. Another range is refused."""

CHANNEL_COUNTS = (1, 2, 3, 4)
WHITE_LEVEL = 128  # of a mask; the one at which diffusers binarises it
STILL_FORMATS = ("MPO", "PSD")  # further frames of these are previews, views for stereo, or layers


def read_image(name: str, source: ImageSource, *, background: str = "white") -> Image.Image:
    """Read an image as 8-bit RGB.

    A file is rotated as its EXIF orientation says. Of an animation, the first frame is read, with a warning.

    Args:
        name: what the image is called in error messages.
        source: the image.
        background: colour that is seen through transparent areas.

    Raises:
        InputError: it cannot be read, or it has levels of an unknown range.
    """
    image = _read(name, source)
    if image.mode != "RGBA":
        return image.convert("RGB")
    behind = Image.new("RGBA", image.size, ImageColor.getrgb(background)[:3])
    return Image.alpha_composite(behind, image).convert("RGB")


def read_mask(name: str, source: ImageSource) -> Image.Image:
    """Read a mask as greyscale that is 255 where an image is generated and 0 where it is kept.

    If the opacity varies, opaque areas of any colour are generated and transparent ones are kept: strokes on a
    transparent layer. If it does not, light areas are generated and dark ones are kept. A mask of which all is
    transparent keeps everything. An array may also contain truth values, or the integers 0 and 1.

    Args:
        name: what the mask is called in error messages.
        source: the mask.

    Raises:
        InputError: it cannot be read, or it has levels of an unknown range.
    """
    image = _read(name, source, is_mask=True)
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        lowest, highest = alpha.getextrema()
        image = alpha if lowest != highest or highest == 0 else image.convert("RGB")
    return binarize(image.convert("L"))


def binarize(mask: Image.Image) -> Image.Image:
    """Return a greyscale image that is 255 where another is at least half as light, and 0 elsewhere."""
    return mask.point([255 if level >= WHITE_LEVEL else 0 for level in range(256)])


def check_colour(name: str, colour: str) -> None:
    """Check that Pillow knows a colour.

    Raises:
        SettingError: it does not.
    """
    try:
        ImageColor.getrgb(colour)
    except ValueError:
        problem = f"must be a colour, such as white, #ff8000 or rgb(255,128,0); got {colour}"
        raise SettingError(name, problem, code="not-a-colour") from None


def _read(name: str, source: ImageSource, *, is_mask: bool = False) -> Image.Image:
    """Return an image of one of the modes L, RGB and RGBA."""
    if isinstance(source, (str, Path, bytes)):
        with as_input_error(_unreadable(name, source)):
            return _eight_bits(name, _load(name, source))
    if isinstance(source, Image.Image):
        with as_input_error(_unreadable(name, source)):
            return _eight_bits(name, ImageOps.exif_transpose(source))
    array = _as_array(source)
    if array is None:
        raise InputError(f"{name} must be an image or the file of one; got {type(source).__name__}")
    if is_mask and array.dtype.kind in "iu" and array.size and 0 <= array.min() <= array.max() <= 1:
        array = array.astype(bool)
    return _from_levels(_levels(name, array))


def _unreadable(name: str, source: object) -> str:
    """Return the beginning of an error message about a source that cannot be read."""
    return f"{name} {source} cannot be read" if isinstance(source, (str, Path)) else f"{name} cannot be read"


def _load(name: str, source: str | Path | bytes) -> Image.Image:
    """Decode the first frame of an image file, upright."""
    shown = name if isinstance(source, bytes) else f"{name} {source}"
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            if getattr(image, "is_animated", False) and image.format not in STILL_FORMATS:
                warnings.warn(f"{shown} has several frames; the first is used", ImageWarning, stacklevel=2)
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        is_empty = not (source if isinstance(source, bytes) else Path(source).stat().st_size)
        subject = "it" if isinstance(source, bytes) else source
        problem = f"{subject} is empty" if is_empty else f"{subject} is not an image"
        raise InputError(f"{name} must be an image or the file of one; {problem}") from None
    except OSError as error:
        raise InputError(f"{_unreadable(name, source)}: {error.strerror or error}") from None


def _eight_bits(name: str, image: Image.Image) -> Image.Image:
    """Convert an image of Pillow to one of the modes L, RGB and RGBA."""
    if image.mode == "F" or image.mode.startswith("I"):
        array = np.asarray(image)
        if image.mode == "I":
            array = _sixteen_bits(name, array)
        grey = _from_levels(_levels(name, array))
        if "transparency" in image.info:  # of PNG: one level that is transparent
            grey = grey.convert("RGB")
            grey.putalpha(_from_levels(np.asarray(image) != image.info["transparency"]))
        return grey
    if image.mode == "La":  # premultiplied
        image = image.convert("LA")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _sixteen_bits(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Check integers of 32 bits, as which Pillow has images of 16 bits, and narrow them.

    Raises:
        InputError: they are not in the range of 16 bits, or might as well be levels of 8 bits.
    """
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest > 65_535 or 0 < highest < 256:
        raise InputError(
            f"{name} must have levels of 8 or 16 bits; its integers of 32 bits are from {lowest} to {highest}: "
            "convert it to 8 bits"
        )
    return array.astype("uint16")


def _as_array(source: Any) -> NDArray[Any] | None:
    """Return an array or tensor as a NumPy array (H, W) or (H, W, C); None for anything else."""
    torch = sys.modules.get("torch")  # a tensor can only come from a torch that is already imported
    is_tensor = torch is not None and isinstance(source, torch.Tensor)
    if is_tensor:
        tensor = source.detach().cpu()
        source = (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    if not isinstance(source, np.ndarray):
        return None
    array: NDArray[Any] = source[0] if source.ndim == 4 and len(source) == 1 else source
    return _channels_last(array, is_first=is_tensor) if array.ndim == 3 else array


def _channels_last(array: NDArray[Any], *, is_first: bool) -> NDArray[Any]:
    """Arrange three axes as (H, W, C). If both ends could be the channels, `is_first` decides."""
    first, last = (array.shape[axis] in CHANNEL_COUNTS for axis in (0, -1))
    return np.moveaxis(array, 0, -1) if first and (is_first or not last) else array  # (C, H, W) -> (H, W, C)


def _levels(name: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert levels to 8 bits.

    Raises:
        InputError: their type has no known range, or floats are out of range or not finite.
    """
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] not in CHANNEL_COUNTS):
        raise InputError(
            f"{name} must be an array (H, W) or (H, W, C), or a tensor (C, H, W), with 1 to 4 channels; "
            f"got the shape {tuple(array.shape)}"
        )
    if array.dtype == bool:
        return array * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return (array >> 8 if array.dtype.itemsize == 2 else array).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InputError(f"{name} must have levels of type uint8, uint16 or float; got {array.dtype}")
    lowest, highest = float(array.min()), float(array.max())
    is_signed = lowest < 0 and not (array.ndim == 3 and array.shape[2] in (2, 4))  # there is no negative opacity
    levels = np.rint((array.astype(np.float32) + 1) * 127.5 if is_signed else array.astype(np.float32) * 255)
    if not (levels.min() >= 0 and levels.max() <= 255):  # also if one is not a number
        raise InputError(
            f"{name} must have floats from 0 to 1, or from -1 to 1; its are from {lowest:g} to {highest:g}: scale them"
        )
    return levels.astype(np.uint8)


def _from_levels(levels: NDArray[Any]) -> Image.Image:
    """Return 8-bit levels (H, W) or (H, W, C), or truth values, as an image of one of the modes L, RGB and RGBA."""
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[..., 0]
    image = Image.fromarray(levels)
    return image.convert({"1": "L", "LA": "RGBA"}.get(image.mode, image.mode))
