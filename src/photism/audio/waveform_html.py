"""Waveforms of recordings, with players, as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.writing import encode_waveform
from photism.display.markup import duration, note
from photism.display.playable import MAX_PLAYED_S, audio_element, play_note, playable
from photism.display.waveform_plot import waveform_svg


def waveform_html(
    samples: NDArray[np.floating[Any]],
    sampling_rate: int,
    *parts: str,
    name: str = "recording",
    warnings: Sequence[str] = (),
    played_s: float = MAX_PLAYED_S,
) -> str:
    """Draw a recording above a player, which holds the beginning of it.

    Args:
        samples: (T,) or (C, T), nominally within ±1; louder ones are scaled down for the player.
        sampling_rate: in Hz.
        parts: HTML below them, whose elements with `data-start` and `data-end` play when they are clicked.
        name: what the recording is called.
        warnings: what is missing in the recording.
        played_s: seconds that the player holds at most.
    """
    duration_s = samples.shape[-1] / sampling_rate
    mono = samples if samples.ndim == 1 else samples.mean(axis=0)
    peak = float(np.abs(samples).max(initial=0.0))
    level = f"peak {20 * np.log10(peak):.1f} dBFS" if peak else "digital silence"
    about = f"{duration(duration_s)}, {level}"
    part = playable_samples(samples, round(played_s * sampling_rate))
    encoded = encode_waveform(part, ".mp3", sampling_rate=sampling_rate, title="", about={})
    remarks = [note(about), play_note(played_s, duration_s), *(note(each) for each in warnings)]
    svg = waveform_svg(mono, f"Waveform of the {name}: {about}")
    return playable(svg + audio_element(encoded, f"Player of the {name}"), *remarks, *parts)


def playable_samples(samples: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    """Return the first `count` samples (T,) or (C, T) for a player, with a peak of at most 1.

    Recordings of more than two channels, which MP3 does not have, are mixed down.
    """
    part = samples[..., :count]
    if part.ndim == 2 and len(part) > 2:
        part = part.mean(axis=0)
    return part / max(1.0, float(np.abs(part).max(initial=0.0)))
