"""A film at a glance: stills at even times on one sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from photism.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.video.film import Film

GAP = 8  # pixels around stills
LABEL_HEIGHT = 20  # pixels, under each still
LABEL_SIZE = 14  # pixels
PAPER, INK = "white", "black"


def storyboard(film: Film, count: int = 12) -> Image:
    """Draw stills of a film on one sheet, each over its time.

    Args:
        film: what they are of.
        count: of stills, at least 1: each in the middle of one of as many equal parts. A film of fewer pictures gives
            all it has.

    Returns:
        RGB; the stills are those of the film, in rows as wide as they are many, or one wider.

    Raises:
        InputError: `count` is below 1.
    """
    from PIL import Image, ImageDraw, ImageFont

    if count < 1:
        raise InputError(f"count must be at least 1 still; got {count}")
    count = min(count, film.frame_count)
    indices = [(2 * number + 1) * film.frame_count // (2 * count) for number in range(count)]
    columns = math.ceil(math.sqrt(count))
    width, height = film.size
    font = ImageFont.load_default(LABEL_SIZE)
    label_width = math.ceil(font.getlength(clock(film.sound.duration_s)))
    cell_width, cell_height = max(width, label_width) + GAP, height + LABEL_HEIGHT + GAP
    sheet = Image.new("RGB", (GAP + columns * cell_width, GAP + math.ceil(count / columns) * cell_height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, still in enumerate(film.stills(indices)):
        left, top = GAP + number % columns * cell_width, GAP + number // columns * cell_height
        sheet.paste(still.picture, (left, top))
        pen.text((left, top + height + LABEL_HEIGHT // 2), clock(still.time_s), fill=INK, font=font, anchor="lm")
    return sheet


def clock(time_s: float) -> str:
    """Hours, where there are any, minutes, and seconds to the tenth that has begun: 1:02:03.4."""
    tenths = math.floor(10 * time_s)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
