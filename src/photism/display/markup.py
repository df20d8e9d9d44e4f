"""Parts of the HTML that results show in a notebook.

Notebooks put it into their own page. It therefore has style attributes and no style sheet, which would reach beyond it.
It takes its colours from the page, apart from one that is legible on light and on dark, and loads nothing. Every text
in it is escaped.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from photism.display.short_repr import short_repr
from photism.files import as_utf8
from photism.output_files import printable

if TYPE_CHECKING:
    from PIL.Image import Image

ACCENT = "#7c6cf0"
"""Colour of what is plotted: its contrast is 4.0 to white and 5.3 to black."""
MUTED = "opacity:.75;font-size:90%"
CELL = "text-align:left;padding:.1em .8em .1em 0"
NOTHING = "There is nothing to show."
MAX_ROWS = 20
"""Rows of a table; it says how many more there are."""
MAX_IMAGE_SIDE = 512
"""Height and width in pixels of an image; a larger one is scaled down."""


@dataclass(frozen=True, repr=False)
class Html:
    """HTML that a notebook shows.

    Attributes:
        markup: the HTML.
    """

    markup: str

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return short_repr(self, characters=len(self.markup))


def text(value: str) -> str:
    """Return a text as HTML, also within an attribute in quotes; control characters are escaped as in JSON."""
    return escape(printable(as_utf8(value)))


def block(*parts: str) -> str:
    """Return parts, which are HTML, one below the other; parts without content are left out."""
    return f'<div style="max-width:50em">{"".join(part for part in parts if part)}</div>'


def note(value: str) -> str:
    """Return a remark, which is text, in small letters."""
    return f'<div style="{MUTED}">{text(value)}</div>' if value else ""


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, count: int | None = None, limit: int = MAX_ROWS
) -> str:
    """Return a table.

    Args:
        headings: texts of the headings.
        rows: cells as HTML.
        count: number of rows that there are, if it is more than those that are given.
        limit: number of rows that are shown: the first ones.
    """
    if not rows:
        return note(NOTHING)
    head = "".join(f'<th scope="col" style="{CELL}">{text(each)}</th>' for each in headings)
    lines = ["".join(f'<td style="{CELL}">{cell}</td>' for cell in row) for row in rows[:limit]]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    shown = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{shown}</div>' + note(
        limit_note(min(len(rows), limit), len(rows) if count is None else count, "rows")
    )


def score_bar(fraction: float) -> str:
    """Return a bar, a fraction (0 to 1) of 8em wide; it repeats a number, so that screen readers skip it."""
    width = 8 * min(max(fraction, 0.0), 1.0)
    return f'<div aria-hidden="true" style="background:{ACCENT};height:.7em;width:{width:.2f}em"></div>'


def picture(image: Image, description: str) -> str:
    """Return an image as WebP, at most 512 pixels high and wide.

    Args:
        image: image of PIL.
        description: text for whom it is not visible.
    """
    shown = image.convert("RGBA" if "A" in image.mode else "RGB")
    shown.thumbnail((MAX_IMAGE_SIDE, MAX_IMAGE_SIDE))
    encoded = BytesIO()
    shown.save(encoded, "WEBP", quality=90)
    source = data_url("image/webp", encoded.getvalue())
    size = f'width="{shown.width}" height="{shown.height}"'
    return f'<img src="{source}" alt="{text(description)}" {size} style="max-width:100%;height:auto">'


def data_url(media_type: str, content: bytes) -> str:
    """Return a URL that holds its content."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def limit_note(shown: int, count: int, what: str) -> str:
    """Return how many of several things are shown; empty if all are."""
    return f"{shown:,} of {count:,} {what} are shown." if shown < count else ""


def duration(seconds: float) -> str:
    """Return a duration or time such as "1.08 s", "2:05" or "1:02:05", which is rounded down from a minute on."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
