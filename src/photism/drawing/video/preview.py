"""Preview of a film: the five seconds in which most happens."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from photism.drawing.video.audio_features import audio_envelopes

if TYPE_CHECKING:
    from fractions import Fraction

    from photism.drawing.video.film import Film

PREVIEW_S = 5


def preview_frames(film: Film) -> range:
    """Return the frames of the five seconds with the strongest onsets, the first if there are several; at most all.

    They are the frames that the film has at this time.
    """
    rate = film.settings.frame_rate
    count = count_preview_frames(film.frame_count, rate)
    envelopes = audio_envelopes(film.sound, rate, attack_s=0, release_s=0, pulse_s=0)
    strength = [envelope.onset_integral for envelope in islice(envelopes, film.frame_count)]
    starts = range(film.frame_count - count + 1)
    start = max(starts, key=lambda index: round(strength[index + count - 1] - strength[index], 6))
    return range(start, start + count)


def count_preview_frames(frame_count: int, frame_rate: Fraction) -> int:
    """Return the number of frames of the preview of a film with as many frames."""
    return min(frame_count, math.ceil(PREVIEW_S * frame_rate))
