"""How a recording moves: its loudness and its onsets, followed with attack and release, for each frame of a film.

Both are read from the recording in order, 10 ms at a time, in memory that does not grow with its length. What a first
reading keeps is two numbers, the length and the peak that loudness is told against.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.streaming import SoundFile, stream_samples
from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE
from photism.errors import InputError

HOP_SAMPLES = SAMPLING_RATE // 100  # 160 samples, 10 ms: the frames are those of log_mel
HOP_S = HOP_SAMPLES / SAMPLING_RATE
LOUDNESS_RANGE_DB = 40.0  # below the peak of the recording, where loudness begins
QUIETEST_PEAK_DB = -36.0  # of full scale: a recording without louder sound is told against this, and stays nearly still
TINIEST_SQUARE = 1e-12  # -120 dB of full scale, in place of the logarithm of 0
ONSET_LAG = 2  # frames, 20 ms: the frames of 25 ms overlap, and neighbours would share most of a rise
ONSET_FLOOR_DB = -50.0  # of the peak: what is quieter rises and falls unheard
ONSET_FROM_DB, ONSET_FULL_DB = 3.0, 15.0  # mean rise of the bands: steady noise has 2 dB, a struck note 15 and more
LOG_MEL_OF_FULL_SCALE = math.log(2.0**30 * 150)  # of white noise of power 1 in a band: 16 bits, energy of the window
NEPERS_PER_DB = math.log(10) / 10  # of power


@dataclass(frozen=True)
class MeasuredSound:
    """A recording that has been read once; `measure_sound` makes it.

    Attributes:
        sound: where it is read from.
        sample_count: at 16 kHz.
        peak_db: its loudest 25 ms, root mean square, in dB of full scale.
    """

    sound: SoundFile
    sample_count: int
    peak_db: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLING_RATE


class Motion(NamedTuple):
    """What moves the picture at one time."""

    loudness: float  # 0, LOUDNESS_RANGE_DB below the peak or more, to 1, the peak
    onset_s: float  # onset strength, 0 to 1, summed over the seconds so far: it never falls


def measure_sound(source: SoundFile | str | Path | bytes) -> MeasuredSound:
    """Read a recording once, keeping its length and peak.

    Args:
        source: path, ``http(s)://`` or ``file://`` URL, or the bytes of a file with sound, of any length.

    Raises:
        InputError: the source is missing, unreachable, not audio, shorter than 25 ms or not finite, or its sampling
            rate changes on the way, so that no film could have its sound.
    """
    sound = SoundFile.of(source)
    rates: list[float] = []
    held = np.empty(0, np.float32)
    sample_count, peak = 0, TINIEST_SQUARE
    for block in stream_samples(sound, callback_on_rate=rates.append):
        sample_count += len(block)
        stretch, held = _whole_frames(np.concatenate([held, block]))
        peak = max(peak, float(_mean_square(stretch).max(initial=0.0)))
    if sample_count < FRAME_SAMPLES:
        raise InputError(f"{sound.name} must be at least 25 ms long, not {1000 * sample_count / SAMPLING_RATE:.3g} ms")
    if len(rates) > 1:
        told = " and ".join(f"{rate:g} Hz" for rate in rates[:2])
        raise InputError(f"{sound.name} must have one sampling rate, not {told} on the way; convert it to one of them")
    return MeasuredSound(sound, sample_count, 10 * math.log10(peak))


def motion(measured: MeasuredSound, fps: Fraction, *, attack_s: float, release_s: float) -> Iterator[Motion]:
    """Follow loudness and onsets, and tell them at the time of each frame of a film, without end.

    Loudness is the root mean square of 25 ms in dB, against the recording's peak. Onset strength is the spectral flux:
    how much the bands of log-mel have risen in 20 ms, those that fell left out, on average over all of them. A change
    of gain alters neither.

    Args:
        measured: the recording.
        fps: frames of the film in a second; frame i is at i / fps seconds.
        attack_s: time constant of both while they rise, 0 for at once: 63 % of a step is followed in this time.
        release_s: the same while they fall.

    Yields:
        a `Motion` for each frame; after the end of the recording, its last.

    Source: Dixon, Onset detection revisited (2006), for the half-wave rectified flux; Böck, Krebs and Schedl,
    Evaluating the online capabilities of onset detection methods (2012), for that of logarithms of bands; Böck and
    Widmer, Maximum filter vibrato suppression for onset detection (2013), for the lag.
    """
    followed = _followed(measured, attack_s, release_s)
    before_s, before = next(followed)
    after_s, after = before_s, before
    index = 0
    while True:
        time_s = float(index / fps)
        while after_s < time_s:
            before_s, before = after_s, after
            after_s, after = next(followed, (math.inf, before))
        share = 0.0 if time_s <= before_s else (time_s - before_s) / (after_s - before_s)
        yield Motion(*(start + share * (end - start) for start, end in zip(before, after, strict=True)))
        index += 1


def _followed(measured: MeasuredSound, attack_s: float, release_s: float) -> Iterator[tuple[float, Motion]]:
    """The middle of each frame of 25 ms, in seconds, and what the followers have come to there."""
    rising, falling = (1 - math.exp(-HOP_S / each) if each else 1.0 for each in (attack_s, release_s))
    loudness = onset = onset_s = 0.0
    time_s = FRAME_SAMPLES / 2 / SAMPLING_RATE
    for heard_loudness, heard_onset in _heard(measured):
        loudness += (rising if heard_loudness > loudness else falling) * (heard_loudness - loudness)
        onset += (rising if heard_onset > onset else falling) * (heard_onset - onset)
        onset_s += onset * HOP_S
        yield time_s, Motion(loudness, onset_s)
        time_s += HOP_S


def _heard(measured: MeasuredSound) -> Iterator[tuple[float, float]]:
    """Loudness and onset strength of each frame of 25 ms, both 0 to 1."""
    peak_db = max(measured.peak_db, QUIETEST_PEAK_DB)
    floor = LOG_MEL_OF_FULL_SCALE + (peak_db + ONSET_FLOOR_DB) * NEPERS_PER_DB
    held = np.empty(0, np.float32)
    earlier: NDArray[np.float32] | None = None  # the last ONSET_LAG frames of log-mel; silence before the first
    for block in stream_samples(measured.sound):
        stretch, held = _whole_frames(np.concatenate([held, block]))
        if not len(stretch):
            continue
        loudness_db = 10 * np.log10(_mean_square(stretch).clip(min=TINIEST_SQUARE))
        bands = _log_mel(stretch).clip(min=floor)
        lagged = np.concatenate(
            [np.full_like(bands[:1], floor).repeat(ONSET_LAG, 0) if earlier is None else earlier, bands]
        )
        earlier = lagged[-ONSET_LAG:]
        flux_db = (bands - lagged[:-ONSET_LAG]).clip(min=0).mean(1) / NEPERS_PER_DB
        loudness = 1 + (loudness_db - peak_db) / LOUDNESS_RANGE_DB
        onsets = (flux_db - ONSET_FROM_DB) / (ONSET_FULL_DB - ONSET_FROM_DB)
        yield from zip(loudness.clip(0, 1).tolist(), onsets.clip(0, 1).tolist(), strict=True)


def _whole_frames(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What frames of 25 ms can be had of, and what the next ones begin with; the two overlap."""
    frames = max(0, 1 + (len(samples) - FRAME_SAMPLES) // HOP_SAMPLES)
    reach = (frames - 1) * HOP_SAMPLES + FRAME_SAMPLES if frames else 0
    return samples[:reach], samples[frames * HOP_SAMPLES :]


def _mean_square(stretch: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) -> (F,), of each 25 ms."""
    if not len(stretch):
        return np.empty(0)
    framed = np.lib.stride_tricks.sliding_window_view(stretch, FRAME_SAMPLES)[::HOP_SAMPLES]  # (F, 400), a view
    return np.square(framed, dtype=np.float64).mean(1)


def _log_mel(stretch: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) -> (F, 80)."""
    import torch

    from photism.audio.log_mel import log_mel

    with torch.inference_mode():
        return log_mel([stretch], stride=1, normalize=False, dtype=torch.float32).input_features[0].numpy()
