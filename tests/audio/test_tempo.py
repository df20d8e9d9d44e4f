"""Tempo: the length changes, the pitch does not."""

import numpy as np
import pytest

from photism.audio.tempo import change_tempo

RATE, HZ = 16_000, 440
TONE = (0.5 * np.sin(2 * np.pi * HZ * np.arange(2 * RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize("tempo", [0.25, 0.6, 1.5, 4.0])
def test_a_tone_keeps_its_pitch_and_level(tempo):
    changed = change_tempo(TONE, tempo, sampling_rate=RATE)
    assert (changed.ndim, changed.dtype) == (1, np.float32)
    assert len(changed) == pytest.approx(len(TONE) / tempo, rel=0.05)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    assert spectrum.argmax() * RATE / len(changed) == pytest.approx(HZ, abs=3)
    assert changed[2000:-2000].std() == pytest.approx(TONE.std(), rel=0.05)


def test_tempo_1_changes_nothing():
    assert change_tempo(TONE, 1.0, sampling_rate=RATE) is TONE
