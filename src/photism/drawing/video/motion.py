"""What moves in a film, and how far: the table of what the loudness, the onsets and the bands of a recording drive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.drawing.video.audio_features import AudioEnvelope
    from photism.drawing.video.settings import FilmSettings

BANDS = ("low", "mid", "high")  # of photism.audio.bands
TARGETS = ("zoom", "noise", "colour", "prompt")

# Speeds along the noise path, in seeds per second: how soon the noise is that of the next seed.
NOISE_DRIFT = 1 / 30  # always, so that the film of a silent recording is not a still
ONSET_NOISE = 8.0  # added at full onset strength: a struck note, whose strength lasts some 35 ms, moves by a quarter
BAND_NOISE = 0.5  # added at the full level of a band, which lasts longer than an onset
PULSE_ZOOM = 0.75  # share of the pulse in the zoom; the rest is loudness, so that sound without onsets moves as well
BAND_SATURATION = 1.0  # added to the saturation of the colours, which is 1, at the full level of a band


class Motion(NamedTuple):
    """What a frame does with the image that its prompt describes."""

    zoom: float  # factor by which the image is enlarged
    noise: float  # position on the noise path, in seeds
    saturation: float  # factor of the saturation of the colours
    prompt: float  # strength of the recording in the prompt, relative to that without bands


def read_drives(name: str, text: str | None) -> dict[str, float]:
    """Return what a band drives, as the amount of each target.

    Args:
        name: name of the setting, for errors.
        text: targets, each with an amount or without: "zoom", "noise:0.5" or "zoom:2,colour"; None for nothing.

    Raises:
        SettingError: a target is unknown or given twice, or its amount is not a number of at least 0.
    """
    drives: dict[str, float] = {}
    for part in () if text is None else text.split(","):
        target, colon, amount = part.strip().partition(":")
        if target not in TARGETS or target in drives:
            listed = ", ".join(TARGETS)
            raise SettingError(name, f"must name targets out of {listed}, each once, such as zoom:0.5; got {text}")
        try:
            drives[target] = float(amount) if colon else 1.0
        except ValueError:
            drives[target] = math.nan
        if not 0 <= drives[target] < math.inf:
            raise SettingError(name, f"must give {target} a number of at least 0, such as {target}:0.5; got {text}")
    return drives


def frame_motion(envelope: AudioEnvelope, time_s: float, settings: FilmSettings) -> Motion:
    """Return what a frame does at a time.

    Zoom follows the pulse and the loudness, and onsets push the noise, unless a band drives them.

    Args:
        envelope: envelopes of the recording at that time.
        time_s: time in seconds.
        settings: settings of the film.
    """

    def driven(target: str, measure: str = "") -> list[float]:
        """Return amount times level, or its integral, of each band that drives a target."""
        return [
            amounts[target] * getattr(envelope, band + measure)
            for band, amounts in settings.drives.items()
            if target in amounts
        ]

    zoom, noise, prompt = driven("zoom"), driven("noise", "_integral"), driven("prompt")
    level = sum(zoom) if zoom else PULSE_ZOOM * envelope.pulse + (1 - PULSE_ZOOM) * envelope.loudness
    push = BAND_NOISE * sum(noise) if noise else ONSET_NOISE * envelope.onset_integral
    full = sum(amounts.get("prompt", 0.0) for amounts in settings.drives.values())
    return Motion(
        zoom=1 + settings.zoom * level,
        noise=settings.noise * (NOISE_DRIFT * time_s + push),
        saturation=1 + BAND_SATURATION * sum(driven("colour")),
        prompt=max(0.0, 1 - full + sum(prompt)),
    )
