"""Beats and downbeats of music, by dynamic programming on the rises of its spectrum.

Sources: Ellis, Beat tracking by dynamic programming (2007), for the beats. The tempo is a path through autocorrelations
of overlapping windows, so that it may change (Grosche, Müller and Kurth, Cyclic tempogram, 2010). Beats are counted in
bars by a path through the positions of a bar (Whiteley, Cemgil and Godsill, Bayesian modelling of temporal structure in
musical audio, 2006).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.level import HOP_S, frame_blocks
from photism.audio.onsets import OnsetStrength
from photism.audio.sampling import FRAME_SAMPLES, SAMPLING_RATE

FASTEST_BPM, SLOWEST_BPM = 220.0, 50.0
LIKELY_BPM, TEMPO_OCTAVES = 130.0, 0.7  # mean and standard deviation of the tempo that listeners tap, in octaves
PERIODS = np.arange(round(60 / FASTEST_BPM / HOP_S), round(60 / SLOWEST_BPM / HOP_S) + 1)  # audio frames a beat
LAGS = int(2 * PERIODS[-1] + 2)  # of the autocorrelation that are used
WINDOW_FRAMES, WINDOW_HOP_FRAMES = 800, 100  # 8 s every second: at the slowest tempo a window holds six beats
TEMPO_INERTIA = 20.0  # cost of a change of tempo from window to window, by its square in octaves
TIGHTNESS = 100.0  # cost of a beat that is early or late, by the square of its relative error
MIN_PERIODICITY = 0.2  # autocorrelation of a window at its beat, below which it has none; that of speech is lower
MIN_BEAT_FRACTION = 1 / 3  # of the windows: with fewer, they are coincidences
ACCENT = 1.0  # rise of the spectrum at an onset, in standard deviations above its mean
MIN_ACCENTED = 6  # beats with an onset that a recording with beats has
LONGEST_REST = 2  # beats without an onset before the first and after the last one that are kept
QUIET_VARIANCE = 0.25  # of the accents of a window, relative to the recording: what is left of a pause
MIN_NOVELTY_DB = 0.1  # standard deviation of the accents of a recording with beats; a steady tone has less
BASS_BANDS = 7  # mel bands below 200 Hz
MIN_ACCENT_DB = 1.0  # standard deviation of the bass at beats, below which no beat differs from the others
MIN_EVIDENCE = 1.2  # factor by which bars of three must have stronger first beats than bars of four
BAR_SLIP = 4.0  # cost of a beat that is not the next of its bar, in standard deviations of the accents


class Accents(NamedTuple):
    """How strongly each audio frame is accented, one every 10 ms: 3 MB for an hour.

    Attributes:
        spectrum: (F,) mean rise of the mel bands in dB.
        bass: (F,) that of the bands below 200 Hz, which distinguishes downbeats from other beats.
    """

    spectrum: NDArray[np.float32]
    bass: NDArray[np.float32]


class Beats(NamedTuple):
    """Beats of a recording; none where it has no regular beat.

    Attributes:
        times_s: (N,) times of the beats in seconds, ascending.
        is_downbeat: (N,) whether a beat is the first of a bar.
    """

    times_s: NDArray[np.float64]
    is_downbeat: NDArray[np.bool_]


def measure_accents(blocks: Iterable[NDArray[np.float32]], peak_db: float) -> Accents:
    """Measure the accents of a recording that arrives in blocks.

    Args:
        blocks: samples (T,) at 16 kHz, in blocks of any length.
        peak_db: level of the loudest frame of the recording, in dBFS.
    """
    onset_strength = OnsetStrength(peak_db)
    spectrum: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    bass = list(spectrum)
    for block in frame_blocks(blocks):
        rises_db = onset_strength.rises_db(block)
        spectrum.append(rises_db.mean(axis=1))
        bass.append(rises_db[:, :BASS_BANDS].mean(axis=1))
    return Accents(np.concatenate(spectrum), np.concatenate(bass))


def track_beats(accents: Accents) -> Beats:
    """Find the beats of a recording, and which of them begin a bar of four or three beats.

    The tempo lies between 50 and 220 beats per minute and may change. Parts without a regular beat have none.
    """
    frames = len(accents.spectrum)
    none = Beats(np.empty(0), np.empty(0, np.bool_))
    if frames < 2 * PERIODS[-1] or accents.spectrum.std() < MIN_NOVELTY_DB:
        return none
    novelty = _smoothed(accents.spectrum)
    periods, periodicity = _tempo(novelty)
    is_periodic = periodicity >= MIN_PERIODICITY
    if is_periodic.mean() < MIN_BEAT_FRACTION:
        return none
    window = (np.arange(frames) // WINDOW_HOP_FRAMES).clip(max=len(periods) - 1)
    beats = _beat_frames(novelty, periods[window])
    is_accented = novelty[_near(beats, frames)].max(axis=1) > ACCENT
    if is_accented.sum() < MIN_ACCENTED:
        return none
    beats = beats[is_periodic[window[beats]] & (np.convolve(is_accented, np.ones(2 * LONGEST_REST + 1), "same") > 0)]
    times_s = beats.astype(np.float64) * HOP_S + FRAME_SAMPLES / 2 / SAMPLING_RATE
    return Beats(times_s, _downbeats(accents.bass, beats))


def _smoothed(accents: NDArray[np.float32]) -> NDArray[np.float64]:
    """Smooth accents over 50 ms, so that onsets that are early or late add up, with mean 0 and variance 1."""
    kernel = np.hanning(7)
    smoothed = np.convolve(accents, kernel / kernel.sum(), "same")
    return (smoothed - smoothed.mean()) / smoothed.std()


def _tempo(novelty: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return the period of the beat in frames and the autocorrelation at it, (W,) each, second by second."""
    half = WINDOW_FRAMES // 2
    padded = np.pad(novelty, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_FRAMES)[half // 8 :: WINDOW_HOP_FRAMES]
    correlations = np.empty((len(windows), LAGS), np.float32)
    for row, each in zip(correlations, windows, strict=True):
        row[:] = _autocorrelation(each)
    octaves = np.log2(PERIODS)
    likely = np.exp(-0.5 * ((octaves - np.log2(60 / LIKELY_BPM / HOP_S)) / TEMPO_OCTAVES) ** 2)
    # A beat repeats after two of its periods too, and half a beat does not always repeat after half a beat. Twice a
    # rounded period is off by up to one frame.
    once = correlations[:, PERIODS].clip(min=0)
    twice = np.max([correlations[:, 2 * PERIODS + offset] for offset in (-1, 0, 1)], axis=0)
    salience = once * (1 + twice / 2)
    change = TEMPO_INERTIA * (octaves[:, None] - octaves) ** 2
    path = _best_path(salience * likely, change)
    return PERIODS[path], correlations[np.arange(len(path)), PERIODS[path]]


def _autocorrelation(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation of a window at `LAGS` lags, unbiased, and 1 at lag 0 unless the window is quiet."""
    centred = window - window.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * WINDOW_FRAMES)) ** 2
    correlation = np.fft.irfft(spectrum)[:LAGS] / (WINDOW_FRAMES - np.arange(LAGS))
    return correlation / max(correlation[0], QUIET_VARIANCE)


def _best_path(scores: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the states (N,) of the path of the highest sum of scores (N, states) less the costs of its changes."""
    best = scores[0]
    origins = np.zeros(scores.shape, np.int64)
    for index in range(1, len(scores)):
        reached = best - change  # (to, from)
        origins[index] = reached.argmax(axis=1)
        best = reached.max(axis=1) + scores[index]
    path = [int(best.argmax())]
    for origin in origins[:0:-1]:
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])


def _beat_frames(novelty: NDArray[np.float64], periods: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the frames of the beats: those with the most novelty at intervals near the period of their time."""
    lags = {period: np.arange(2 * period, (period + 1) // 2 - 1, -1) for period in np.unique(periods).tolist()}
    costs = {period: TIGHTNESS * np.log(lag / period) ** 2 for period, lag in lags.items()}
    total = novelty.copy()
    previous = np.full(len(novelty), -1, np.int32)
    for frame, period in enumerate(periods.tolist()):
        start, stop = frame - 2 * period, frame - (period + 1) // 2 + 1
        if stop > 0:
            reached = total[max(0, start) : stop] - costs[period][max(0, -start) :]
            best = int(reached.argmax())
            if reached[best] > 0:
                previous[frame] = max(0, start) + best
                total[frame] += reached[best]
    frame = len(total) - periods[-1] + int(total[-periods[-1] :].argmax())
    beats = [frame]
    while (frame := int(previous[frame])) >= 0:
        beats.append(frame)
    return np.array(beats[::-1])


def _downbeats(bass: NDArray[np.float32], beats: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each beat is the first of a bar: the bass is strongest there over all bars."""
    if not len(beats):
        return np.empty(0, np.bool_)
    strength = bass[_near(beats, len(bass))].max(axis=1)
    accents = (strength - strength.mean()) / max(float(strength.std()), MIN_ACCENT_DB)
    four, three = (_bars(accents, meter) for meter in (4, 3))
    return three if _evidence(accents, three) > MIN_EVIDENCE * _evidence(accents, four) else four


def _near(beats: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """Return the frames within 30 ms of each beat, (N, 7)."""
    return (beats[:, None] + np.arange(-3, 4)).clip(0, frames - 1)


def _evidence(accents: NDArray[np.float64], is_downbeat: NDArray[np.bool_]) -> float:
    """Return how much stronger the first beats of bars are accented than the others."""
    if not 0 < is_downbeat.sum() < len(accents):
        return 0.0
    return float(accents[is_downbeat].mean() - accents[~is_downbeat].mean())


def _bars(accents: NDArray[np.float64], meter: int) -> NDArray[np.bool_]:
    """Return whether each beat is the first of a bar of some beats, so that the first ones have the most accent."""
    positions = np.arange(meter)
    slip = np.where(positions[:, None] == (positions + 1) % meter, 0.0, BAR_SLIP)  # (to, from)
    scores = np.where(positions == 0, accents[:, None], 0.0)  # (N, meter)
    return _best_path(scores, slip) == 0
