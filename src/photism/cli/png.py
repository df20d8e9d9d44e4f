"""PNG files of generated images: names that are checked first, and files that carry their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from photism import __version__
from photism.errors import InputError
from photism.files import atomic_path, check_writable

if TYPE_CHECKING:
    from PIL.Image import Image


def image_targets(
    groups: Sequence[Sequence[str]], name: str | None, output: str | None, images: int, *, force: bool
) -> list[list[Path]]:
    """Return the image files of each group of recordings, all of which can be written.

    Args:
        groups: recordings that are drawn together.
        name: of the file of several recordings; None if each file is named after its recording.
        output: file, or existing folder; None for the current folder.
        images: number of images of each group; several are numbered.
        force: whether existing files may be overwritten.

    Raises:
        InputError: a file exists, cannot be written, or would be written twice.
    """
    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    if not to_folder and len(groups) > 1:
        raise InputError(f"-o must be a folder for several recordings, but {output} is not a folder; create it")
    if to_folder and not folder.is_dir():
        raise InputError(f"-o {output} is not a folder; create it")
    targets: list[list[Path]] = []
    for group in groups:
        path = folder / f"{name or sound_stem(group[0])}.png" if to_folder else folder
        _check_ending(path, "-o", "a folder or a file")
        numbers = [""] if images == 1 else [f"-{number}" for number in range(1, images + 1)]
        targets.append([path.with_name(f"{path.stem}{number}.png") for number in numbers])
    seen: dict[Path, str] = {}
    for (recording, *_), paths in zip(groups, targets, strict=True):
        for path in paths:
            if path in seen:
                raise InputError(f"{seen[path]} and {recording} would both be drawn to {path}; draw them one by one")
            check_writable(path, "-o", force=force)
            seen[path] = recording
    return targets


def check_picture(path: Path, option: str, *, force: bool) -> None:
    """Check that an image can be written to the file that an option names.

    Raises:
        InputError: the name does not end in .png, its folder is missing, or the file exists.
    """
    _check_ending(path, option, "a file")
    check_writable(path, option, force=force)


def _check_ending(path: Path, option: str, allowed: str) -> None:
    if path.suffix.lower() != ".png":
        raise InputError(f"{option} must be {allowed} that ends in .png; got {path}")


def sound_stem(sound: str) -> str:
    """Return the name of a recording's file or URL without its extension."""
    path = unquote(urlsplit(sound).path) if "://" in sound else sound
    return Path(path).stem or "sound"


def side_by_side(images: Sequence[Image]) -> Image:
    """Return images of one size side by side."""
    from PIL import Image

    width, height = images[0].size
    strip = Image.new(images[0].mode, (width * len(images), height))
    for index, image in enumerate(images):
        strip.paste(image, (index * width, 0))
    return strip


def write_picture(image: Image, target: Path, about: Mapping[str, object]) -> None:
    """Write a PNG next to its target and rename it, so that an interruption leaves no incomplete file.

    Args:
        image: to be written.
        target: its file.
        about: names and values that the file carries as text; None is skipped.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_itxt("Software", f"photism {__version__}")
    for name, value in about.items():
        if value is not None:
            chunks.add_itxt(name, str(value))
    with atomic_path(target) as unfinished:
        image.save(unfinished, format="PNG", pnginfo=chunks)
