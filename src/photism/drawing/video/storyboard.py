"""Storyboard: frames of a film at even times, on one sheet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from photism.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.video.film import Film

GAP = 8  # pixels around frames
LABEL_HEIGHT = 20  # pixels, below each frame
LABEL_SIZE = 14  # pixels
BACKGROUND, TEXT_COLOUR = "white", "black"


def storyboard(film: Film, count: int = 12, *, callback_on_frame: Callable[[int, int], None] | None = None) -> Image:
    """Draw frames of a film on one sheet, each with its time below.

    Args:
        film: the film.
        count: number of frames, at least 1. The film is divided into as many equal parts, and the middle frame of each
            is drawn. A film with fewer frames is drawn whole.
        callback_on_frame: receives the number of drawn frames and the number of all, after each frame.

    Returns:
        RGB image of the frames, in a grid of as many columns as rows or up to one more.

    Raises:
        InputError: `count` is below 1.
    """
    from PIL import Image, ImageDraw, ImageFont

    if count < 1:
        raise InputError(f"count of frames must be at least 1; got {count}")
    count = min(count, film.frame_count)
    indices = [(2 * number + 1) * film.frame_count // (2 * count) for number in range(count)]
    columns = math.ceil(math.sqrt(count))
    width, height = film.size
    font = ImageFont.load_default(LABEL_SIZE)
    label_width = math.ceil(font.getlength(clock(film.sound.duration_s)))
    cell_width, cell_height = max(width, label_width) + GAP, height + LABEL_HEIGHT + GAP
    sheet = Image.new("RGB", (GAP + columns * cell_width, GAP + math.ceil(count / columns) * cell_height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, frame in enumerate(film.frames(indices)):
        left, top = GAP + number % columns * cell_width, GAP + number // columns * cell_height
        sheet.paste(frame.image, (left, top))
        position = (left, top + height + LABEL_HEIGHT // 2)
        draw.text(position, clock(frame.time_s), fill=TEXT_COLOUR, font=font, anchor="lm")
        if callback_on_frame is not None:
            callback_on_frame(number + 1, count)
    return sheet


def clock(time_s: float) -> str:
    """Format a time as minutes and seconds with one decimal, rounded down, and hours if there are any: 1:02:03.4."""
    tenths = math.floor(10 * time_s)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
