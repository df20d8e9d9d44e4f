"""The files that pictures are drawn to: named before anything is drawn, and written so that nothing is lost."""

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


def picture_targets(
    groups: Sequence[Sequence[str]], together: str | None, output: str | None, images: int, *, force: bool
) -> list[list[Path]]:
    """For each group of sounds its files, none of which is in anybody's way.

    Args:
        groups: sounds that are drawn together.
        together: what the file of several sounds is called; None where each gives its own name.
        output: file, or folder that is there; None for the current folder.
        images: of each group, with numbers where there are several.
        force: files that are there may be overwritten.

    Raises:
        InputError: a file cannot be written, is there already, or would be written twice.
    """
    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    if not to_folder and len(groups) > 1:
        raise InputError(f"-o must be a folder for several sounds, but {output} is none; create it")
    if to_folder and not folder.is_dir():
        raise InputError(f"-o {output} is not a folder; create it")
    targets: list[list[Path]] = []
    for group in groups:
        path = folder / f"{together or sound_stem(group[0])}.png" if to_folder else folder
        _check_name(path, "-o", "a folder or a file")
        numbers = [""] if images == 1 else [f"-{number}" for number in range(1, images + 1)]
        targets.append([path.with_name(f"{path.stem}{number}.png") for number in numbers])
    seen: dict[Path, str] = {}
    for (sound, *_), paths in zip(groups, targets, strict=True):
        for path in paths:
            if path in seen:
                raise InputError(f"{seen[path]} and {sound} would both be drawn to {path}; draw them one by one")
            check_writable(path, "-o", force=force)
            seen[path] = sound
    return targets


def check_picture(path: Path, option: str, *, force: bool) -> None:
    """See whether a picture can be written to the file that an option names.

    Raises:
        InputError: the name does not end in .png, its folder is missing, or it is taken.
    """
    _check_name(path, option, "a file")
    check_writable(path, option, force=force)


def _check_name(path: Path, option: str, allowed: str) -> None:
    if path.suffix.lower() != ".png":
        raise InputError(f"{option} must be {allowed} that ends in .png; got {path}")


def sound_stem(sound: str) -> str:
    """What a file or URL is called without its ending."""
    path = unquote(urlsplit(sound).path) if "://" in sound else sound
    return Path(path).stem or "sound"


def in_a_row(pictures: Sequence[Image]) -> Image:
    """Pictures of one size side by side."""
    from PIL import Image

    width, height = pictures[0].size
    row = Image.new(pictures[0].mode, (width * len(pictures), height))
    for index, picture in enumerate(pictures):
        row.paste(picture, (index * width, 0))
    return row


def write_picture(picture: Image, target: Path, about: Mapping[str, object]) -> None:
    """Writes a PNG beside its target and renames it, so that an interruption leaves nothing half-written.

    Args:
        picture: to be written.
        target: its file.
        about: names and values that the file carries as text; None is left out.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_itxt("Software", f"photism {__version__}")
    for name, value in about.items():
        if value is not None:
            chunks.add_itxt(name, str(value))
    with atomic_path(target) as unfinished:
        picture.save(unfinished, format="PNG", pnginfo=chunks)
