"""Vectors of a recording as HTML for notebooks: how similar its windows are, and the captions nearest to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.display.markup import MAX_ROWS, NOTHING, block, duration, limit_note, note, picture, table, text

MAX_WINDOWS = 256
"""Windows whose similarities are shown: the first ones."""
MIN_SIDE = 256
"""Height and width in pixels of the picture, at least."""
LOW, HIGH = np.array([245, 244, 250]), np.array([60, 45, 140])
"""Colours of the similarities 0 and 1."""


def embedded_html(
    windows: Sequence[tuple[float, float]],
    vectors: NDArray[np.float32],
    captions: Sequence[Sequence[Mapping[str, Any]]],
) -> str:
    """Return the shape of the vectors, a picture of their similarities, and a table of windows with captions.

    Args:
        windows: start and end in seconds of W windows.
        vectors: (W, D) of unit length.
        captions: for each window, the captions nearest to it, if there are any.
    """
    count, width = vectors.shape
    if not count:
        return block(note(NOTHING))
    parts = [note(f"{count:,} vector{'s' * (count > 1)} of {width:,} values, of {duration(windows[-1][1])}")]
    if count > 1:
        shown = min(count, MAX_WINDOWS)
        parts += [_similarities(vectors[:shown]), note(limit_note(shown, count, "windows"))]
    if any(captions):
        rows = [
            [f"{duration(start_s)} to {duration(end_s)}", text(", ".join(str(each["caption"]) for each in nearest))]
            for (start_s, end_s), nearest in zip(windows[:MAX_ROWS], captions, strict=False)
        ]
        parts.append(table(["time", "nearest captions"], rows, count=count))
    return block(*parts)


def _similarities(vectors: NDArray[np.float32]) -> str:
    """Return a picture of the cosines of all pairs of windows: time goes right and down, and similar pairs are dark."""
    from PIL import Image

    cosines = (vectors @ vectors.T).clip(0, 1)[..., None]
    image = Image.fromarray((LOW + (HIGH - LOW) * cosines).astype(np.uint8))
    scale = max(1, MIN_SIDE // len(vectors))
    image = image.resize((len(vectors) * scale, len(vectors) * scale), Image.Resampling.NEAREST)
    return picture(image, "Similarities of the windows to one another; time goes right and down, similar ones are dark")
