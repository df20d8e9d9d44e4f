"""Image files of recordings, which carry their seed, models and settings as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from photism.drawing.metadata import write_png
from photism.errors import warning_field
from photism.output_files import printable

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


class ImageFile(NamedTuple):
    """An image file."""

    path: Path
    width: int
    height: int
    seed: int
    is_flagged: bool  # by the safety checker, which blacks the image out


@dataclass(frozen=True)
class ImageFiles:
    """Image files of one recording, or of several that were drawn together.

    Attributes:
        recordings: what was drawn.
        images: the files.
    """

    recordings: Sequence[RankedRecording]
    images: Sequence[ImageFile]

    def as_dict(self) -> dict[str, Any]:
        """Return the recordings with their captions, and the files, for JSON."""
        recordings = [
            {
                "file": each.file,
                "known": each.known,
                "heard": [{"caption": caption, "score": score} for caption, score in each.captions],
                **warning_field(each.warnings),
            }
            for each in self.recordings
        ]
        files = [
            {
                "file": str(path),
                "width": width,
                "height": height,
                "seed": seed,
                **({"nsfw_content_detected": True} if is_flagged else {}),
            }
            for path, width, height, seed, is_flagged in self.images
        ]
        about = recordings[0] if len(recordings) == 1 else {"sounds": recordings}
        return {**about, "pictures": files}

    def __str__(self) -> str:
        """Return a line for each recording, with its nearest caption, and for each file."""
        titles = [str(recording) for recording in self.recordings]
        lines = [
            f"  {printable(str(path))}  {width}×{height}  seed {seed}"
            + ("  black: the safety checker found it unsafe" * is_flagged)
            for path, width, height, seed, is_flagged in self.images
        ]
        return "\n".join([*titles, *lines])


def write_images(
    recordings: Sequence[RankedRecording],
    rows: Sequence[AudioToImageOutput],
    paths: Sequence[Path],
    about: Mapping[str, Any],
) -> ImageFiles:
    """Write the images of recordings that are drawn together.

    Args:
        recordings: what is drawn.
        rows: output for one prompt each; the images of several, such as steps between recordings, are put side by side.
        paths: a file for each seed.
        about: further metadata of the PNG files.
    """
    metadata = {**about, **_describe_recordings(recordings)}
    images: list[ImageFile] = []
    for number, (path, seed) in enumerate(zip(paths, rows[0].seeds[0], strict=True)):
        image = _side_by_side([row.images[0][number] for row in rows])
        write_png(image, path, {"seed": seed, **metadata})
        images.append(ImageFile(path, *image.size, seed, any(row.nsfw_content_detected[0][number] for row in rows)))
    return ImageFiles(recordings, images)


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
