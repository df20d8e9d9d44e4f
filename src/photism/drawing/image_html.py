"""Images of recordings as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from photism.display.markup import MAX_IMAGE_SIDE, NOTHING, block, limit_note, note, picture, text

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_IMAGES = 16
"""Number of images that are shown."""


def images_html(
    images: Sequence[Sequence[Image]], seeds: Sequence[Sequence[int]], flagged: Sequence[Sequence[bool]]
) -> str:
    """Return the first 16 images, each with its seed, and with its recording if there are several.

    Args:
        images: images of each recording.
        seeds: the seed of each.
        flagged: whether the safety checker blacked it out.
    """
    figures: list[str] = []
    for number, row in enumerate(zip(images, seeds, flagged, strict=True)):
        recording = f"recording {number:,}, " if len(images) > 1 else ""
        figures += [_figure(*each, recording) for each in zip(*row, strict=True)]
    if not figures:
        return block(note(NOTHING))
    row = f'<div style="display:flex;flex-wrap:wrap;gap:.5em">{"".join(figures[:MAX_IMAGES])}</div>'
    width, height = next(chain.from_iterable(images)).size
    size = f"{width}×{height} pixels" + (", shown smaller" if max(width, height) > MAX_IMAGE_SIDE else "")
    return block(row, note(size), note(limit_note(min(len(figures), MAX_IMAGES), len(figures), "images")))


def _figure(image: Image, seed: int, is_flagged: bool, recording: str) -> str:
    about = f"{recording}seed {seed}" + (", black: the safety checker found it unsafe" if is_flagged else "")
    shown = picture(image, f"Generated image, {about}")
    return f'<figure style="margin:0">{shown}<figcaption>{text(about)}</figcaption></figure>'
