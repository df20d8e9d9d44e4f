"""Decide whether a recording holds one of the sounds that a phonetic adapter knows, or something else.

The mixture weights of an adapter compare its pronunciations with one another: one of them is always the best, of noise
and of other sentences too. Whether it fits at all is a logistic regression on seven measurements, which fail in
different ways: the phonemes of noise are uncertain, those of another sentence are certain but are not those of the
pronunciation, and a drum is as short as a short word. A model without such a regression in its configuration makes no
decision. `recipes/tiny` fits that of the bundled model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from photism.errors import InputError
from photism.prompts.lexicon import BLANK

MEASUREMENTS = ("weight", "edits", "entropy", "length", "loss", "confidence", "speech")
"""Names of the measurements, which `PhonemeMeter.measure` returns in this order."""
MAX_SYMBOLS = 2000
"""Phonemes of a recording, from its beginning, that are kept to be compared with the best pronunciation."""


class PhonemeMeter:
    """Meter of how well the phonemes of a recording, which come in blocks, fit its best pronunciation."""

    def __init__(self) -> None:
        self._frames = self._spoken = 0
        self._entropy = self._confidence = self._gain = 0.0
        self._symbols: list[int] = []
        self._last = BLANK

    @torch.no_grad()
    def add(self, logits: Tensor) -> Tensor:
        """Measure a block of logits (f, V), of frames that are not padding, and return it."""
        log_probs = logits.float().log_softmax(-1)
        highest, symbols = log_probs.max(-1)
        self._frames += len(logits)
        self._entropy -= float((log_probs.exp() * log_probs).sum())
        self._confidence += float(highest.sum())
        self._gain += float((highest - log_probs[:, BLANK]).sum())
        for symbol in symbols.tolist():
            self._spoken += symbol != BLANK
            if symbol not in (BLANK, self._last) and len(self._symbols) < MAX_SYMBOLS:
                self._symbols.append(symbol)
            self._last = symbol
        return logits

    def measure(self, weight: float, score: float, pronunciation: Sequence[int]) -> list[float]:
        """Return the measurements of the recording, in the order of `MEASUREMENTS`.

        Args:
            weight: largest mixture weight.
            score: score of the best pronunciation, with its bias.
            pronunciation: symbols of the best pronunciation.

        Returns:
            the weight; edits from the most likely symbols to the pronunciation, per symbol; mean entropy of a frame in
            nats; logarithm of the pronunciation's length; logarithm of how much less likely its best path is than the
            most likely one; log-probability of the most likely path, per frame with speech; fraction of frames with
            speech.
        """
        edits = edit_distance(self._symbols, pronunciation)
        return [
            weight,
            edits / (len(pronunciation) + 1),
            self._entropy / self._frames,
            math.log(len(pronunciation)),
            math.log1p(max(self._gain - score, 0.0)),
            self._confidence / (self._spoken + 1),
            self._spoken / self._frames,
        ]


@dataclass(frozen=True)
class KnownSounds:
    """Logistic regression on the measurements of a recording, their squares and their products.

    Attributes:
        ranges: lowest and highest value of each measurement, in their order; values beyond are clipped, and the range
            is scaled to -1 to 1.
        coefficients: coefficient of each of `terms`.
        intercept: log-odds where all measurements are in the middle of their ranges.
    """

    ranges: tuple[tuple[float, float], ...]
    coefficients: tuple[float, ...]
    intercept: float

    @classmethod
    def from_config(cls, config: Any) -> KnownSounds:
        """Read the regression from a model's configuration.

        Args:
            config: what `as_config` returned.

        Raises:
            InputError: it is anything else.
        """
        try:
            ranges = tuple(
                (float(config["ranges"][name][0]), float(config["ranges"][name][1])) for name in MEASUREMENTS
            )
            coefficients = tuple(float(config["coefficients"][name]) for name in term_names())
            intercept = float(config["intercept"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"known_sounds of the model's configuration is damaged: {error!r}") from None
        numbers = [intercept, *coefficients, *(edge for edges in ranges for edge in edges)]
        if not all(map(math.isfinite, numbers)) or any(low >= high for low, high in ranges):
            raise InputError("known_sounds of the model's configuration must have finite numbers and ascending ranges")
        return cls(ranges, coefficients, intercept)

    def as_config(self) -> dict[str, Any]:
        """Return the regression for a model's configuration, by the names of measurements and terms."""
        return {
            "ranges": dict(zip(MEASUREMENTS, map(list, self.ranges), strict=True)),
            "coefficients": dict(zip(term_names(), self.coefficients, strict=True)),
            "intercept": self.intercept,
        }

    def log_odds(self, measurements: Tensor) -> Tensor:
        """Return the log-odds (B,) that recordings are known, shifted so that they are positive if they are accepted.

        Args:
            measurements: (B, 7), in the order of `MEASUREMENTS`.
        """
        coefficients = torch.tensor(self.coefficients, dtype=torch.float64)
        return terms(measurements, self.ranges) @ coefficients + self.intercept


def term_names() -> list[str]:
    """Return the names of the terms of the regression: each measurement, and each product of two."""
    pairs = combinations_with_replacement(MEASUREMENTS, 2)
    return [*MEASUREMENTS, *(f"{one} * {other}" for one, other in pairs)]


def terms(measurements: Tensor, ranges: Sequence[tuple[float, float]]) -> Tensor:
    """Compute the terms of the regression: measurements (B, 7) -> float64 (B, 35), in the order of `term_names`."""
    low, high = torch.tensor(ranges, dtype=torch.float64).unbind(1)
    scaled = (2 * (measurements.double() - low) / (high - low) - 1).clamp(-1, 1)
    one, other = torch.triu_indices(len(MEASUREMENTS), len(MEASUREMENTS)).unbind()
    return torch.cat([scaled, scaled[:, one] * scaled[:, other]], dim=1)


def edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the number of substitutions, insertions and deletions that turn one sequence into the other."""
    row = list(range(len(other) + 1))
    for index, symbol in enumerate(one, start=1):
        diagonal, row[0] = row[0], index
        for column, each in enumerate(other, start=1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (symbol != each)),
            )
    return row[-1]
