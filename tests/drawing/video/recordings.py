"""Signals with known level and onsets, and wav files of them."""

import wave

import numpy as np

RATE = 16_000


def write_wav(path, samples, *, rate=RATE):
    """Write samples (T,) or (T, C) within ±1 with 16 bits, and return the path."""
    samples = np.asarray(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return path


def silence(seconds):
    return np.zeros(round(seconds * RATE))


def tone(seconds, *, gain=0.3, hertz=440):
    return gain * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds, *, gain=0.1, seed=0):
    return gain * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).clip(-4, 4)


def beats(seconds, *, every_s=0.5):
    """Return noise bursts at a regular interval that decay with a time constant of 40 ms."""
    times = np.arange(round(seconds * RATE)) / RATE
    return noise(seconds) * np.exp(-(times % every_s) / 0.04)
