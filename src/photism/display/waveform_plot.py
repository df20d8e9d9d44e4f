"""Waveform of a recording as SVG: the lowest and the highest sample of each of 600 columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photism.display.markup import ACCENT, text

COLUMNS, HEIGHT = 600, 80
MIN_EXTENT = 1e-3
"""Peak below which a recording is not enlarged further, so that silence looks silent."""


def waveform_svg(samples: NDArray[np.floating], description: str) -> str:
    """Draw samples (T,), from edge to edge: the largest reaches the top or the bottom.

    Args:
        samples: samples, at least one.
        description: text for whom the drawing is not visible.
    """
    starts = np.unique(np.linspace(0, len(samples), COLUMNS, endpoint=False).astype(int))
    low = np.minimum.reduceat(samples, starts).astype(np.float64)
    high = np.maximum.reduceat(samples, starts).astype(np.float64)
    extent = max(float(-low.min()), float(high.max()), MIN_EXTENT)
    x = starts * (COLUMNS / len(samples))
    middle, half = HEIGHT / 2, HEIGHT / 2 - 1
    upper = [f"{left:.4g} {middle - half * value / extent:.1f}" for left, value in zip(x, high, strict=True)]
    lower = [f"{left:.4g} {middle - half * value / extent:.1f}" for left, value in zip(x, low, strict=True)]
    return (
        f'<svg viewBox="0 0 {COLUMNS} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{text(description)}" '
        f'style="display:block;width:100%;height:5em"><path d="M0 {middle:g}H{COLUMNS}" stroke="currentColor" '
        f'stroke-opacity=".3"/><path d="M{"L".join([*upper, *reversed(lower)])}Z" fill="{ACCENT}" stroke="{ACCENT}" '
        f'stroke-width=".6"/></svg>'
    )
