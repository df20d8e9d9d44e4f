"""Images of recordings as PNG files, which carry their seed, models and settings as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from photism.drawing.metadata import describe_models, describe_settings, encode_png, write_png
from photism.errors import warning_field
from photism.files import atomic_path
from photism.output_files import check_suffix, number_files, printable

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.pipeline import AudioToImageOutput


class RankedRecording(NamedTuple):
    """A recording, captions with their scores, the nearest first, and whether the model knows its sound at all."""

    file: str
    captions: Sequence[tuple[str, float]]
    known: bool | None = None  # None if the model cannot tell
    warnings: Sequence[str] = ()  # what is missing in the recording

    def __str__(self) -> str:
        """Return the name and the nearest caption, and whether that is one."""
        if not self.captions:
            return printable(self.file)
        caption, score = self.captions[0]
        nearest = f"{caption} ({score:.2f})"
        heard = f"no known sound recognised (closest: {nearest})" if self.known is False else nearest
        return f"{printable(self.file)}: {heard}"


class EncodedImage(NamedTuple):
    """An image as the bytes of a PNG file, which holds its seed, model and settings."""

    png: bytes
    width: int
    height: int
    seed: int
    is_flagged: bool  # by the safety checker, which blacks the image out

    def as_dict(self) -> dict[str, Any]:
        """Return the size and the seed for JSON."""
        flag = {"nsfw_content_detected": True} if self.is_flagged else {}
        return {"width": self.width, "height": self.height, "seed": self.seed, **flag}


@dataclass(frozen=True)
class DrawnImages:
    """Images of one recording, or of several that were drawn together.

    Attributes:
        recordings: what was drawn.
        images: the images.
        about: models and settings that generated them, as the metadata of the PNG files; None is not written there.
    """

    recordings: Sequence[RankedRecording]
    images: Sequence[EncodedImage]
    about: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the recordings with their captions, and the sizes and seeds of the images, for JSON."""
        recordings = [
            {
                "file": each.file,
                "known": each.known,
                "heard": [{"caption": caption, "score": score} for caption, score in each.captions],
                **warning_field(each.warnings),
            }
            for each in self.recordings
        ]
        about = recordings[0] if len(recordings) == 1 else {"sounds": recordings}
        return {**about, "pictures": [image.as_dict() for image in self.images]}


@dataclass(frozen=True)
class ImageFiles:
    """Image files of one recording, or of several that were drawn together.

    Attributes:
        drawn: the images.
        paths: the file of each image.
    """

    drawn: DrawnImages
    paths: Sequence[Path]

    def as_dict(self) -> dict[str, Any]:
        """Return the recordings with their captions, and the files, for JSON."""
        fields = self.drawn.as_dict()
        pictures = [{"file": str(path), **each} for path, each in zip(self.paths, fields["pictures"], strict=True)]
        return {**fields, "pictures": pictures}

    def __str__(self) -> str:
        """Return a line for each recording, with its nearest caption, and for each file."""
        titles = [str(recording) for recording in self.drawn.recordings]
        lines = [
            f"  {printable(str(path))}  {image.width}×{image.height}  seed {image.seed}"
            + ("  black: the safety checker found it unsafe" * image.is_flagged)
            for path, image in zip(self.paths, self.drawn.images, strict=True)
        ]
        return "\n".join([*titles, *lines])


def encode_images(
    recordings: Sequence[RankedRecording], rows: Sequence[AudioToImageOutput], about: Mapping[str, Any]
) -> DrawnImages:
    """Encode the images of recordings that are drawn together as PNG files.

    Args:
        recordings: what is drawn.
        rows: output for one prompt each; the images of several, such as steps between recordings, are put side by side.
        about: further metadata of the PNG files.
    """
    metadata = {**about, **_describe_recordings(recordings)}
    images: list[EncodedImage] = []
    for number, seed in enumerate(rows[0].seeds[0]):
        image = _side_by_side([row.images[0][number] for row in rows])
        is_flagged = any(row.nsfw_content_detected[0][number] for row in rows)
        images.append(EncodedImage(encode_png(image, {"seed": seed, **metadata}), *image.size, seed, is_flagged))
    return DrawnImages(recordings, images, about)


def write_images(drawn: DrawnImages, paths: Sequence[Path]) -> ImageFiles:
    """Write images to files, one for each, so that an interruption leaves no incomplete file."""
    for path, image in zip(paths, drawn.images, strict=True):
        with atomic_path(path) as unfinished:
            unfinished.write_bytes(image.png)
    return ImageFiles(drawn, paths)


def save_images(output: AudioToImageOutput, path: Path) -> list[Path]:
    """Write the images of an output to PNG files, and return the files.

    Args:
        output: the images.
        path: file of a single image; several are numbered.

    Raises:
        InputError: the file does not end in .png, or its folder does not exist.
    """
    models = {} if output.models is None else describe_models(output.models)
    about = {**models, **describe_settings(output.settings, output.settings)}
    images = [each for row in zip(output.images, output.seeds, strict=True) for each in zip(*row, strict=True)]
    paths = number_files(path, len(images))
    for target in paths:
        check_suffix(target, "path", (".png",), force=True)
    for target, (image, seed) in zip(paths, images, strict=True):
        write_png(image, target, {"seed": seed, **about})
    return paths


def _describe_recordings(recordings: Sequence[RankedRecording]) -> dict[str, str]:
    """Return PNG metadata of the recordings of an image; for several of them, lists in JSON."""
    nearest = [each.captions[0][0] for each in recordings if each.captions]
    known = [each.known for each in recordings if each.known is not None]
    if len(recordings) == 1:
        decision = {"known": str(known[0]).lower()} if known else {}
        return {"sound": recordings[0].file, **({"heard": nearest[0]} if nearest else {}), **decision}
    lists: dict[str, list[Any]] = {
        "sounds": [each.file for each in recordings],
        **({"heard": nearest} if nearest else {}),
        **({"known": known} if len(known) == len(recordings) else {}),
    }
    return {name: json.dumps(values, ensure_ascii=False) for name, values in lists.items()}


def _side_by_side(images: Sequence[Image]) -> Image:
    from PIL.Image import new

    width, height = images[0].size
    strip = new(images[0].mode, (width * len(images), height))
    for index, image in enumerate(images):
        strip.paste(image, (index * width, 0))
    return strip
