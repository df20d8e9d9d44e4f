"""Checks of the values that the page is sent."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_TEXT = 10_000
"""Most characters of a text."""


def number_problem(value: Any, minimum: float | None, maximum: float | None) -> str | None:
    """Return what is wrong with the value of a number or slider, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"must be a number; got {shown(value)}"
    if minimum is not None and value < minimum:
        return f"must be at least {minimum:g}; got {value:g}"
    if maximum is not None and value > maximum:
        return f"must be at most {maximum:g}; got {value:g}"
    return None


def text_problem(value: Any) -> str | None:
    """Return what is wrong with the value of a text or choice, or None."""
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return None
    return f"must be a text of at most {MAX_TEXT} characters; got {shown(value)}"


def shown(value: Any) -> str:
    """Return the beginning of a value as JSON."""
    return json.dumps(value)[:80]
