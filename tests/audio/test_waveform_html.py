import re
from base64 import b64decode

import numpy as np
import pytest

from photism import load_waveform
from photism.audio.waveform_html import playable_samples, waveform_html
from tests.support.notebook_html import Markup


def test_the_player_plays_the_recording() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    html = waveform_html(tone, 16_000)
    (encoded,) = re.findall(r'src="data:audio/mpeg;base64,([^"]*)"', html)
    played = load_waveform(b64decode(encoded)).samples
    assert len(played) == pytest.approx(32_000, abs=2 * 1152)
    spectrum = np.abs(np.fft.rfft(played[4_000:20_000]))
    assert spectrum.argmax() == 440
    assert "Waveform of the recording: 2.00 s, peak -6.0 dBFS" in html
    assert "can be played here" not in html


def test_silence_has_no_level() -> None:
    assert Markup(waveform_html(np.zeros(1_600), 16_000)).text == "0.10 s, digital silence"


def test_a_player_holds_samples_within_full_scale() -> None:
    loud = np.linspace(-4, 4, 61 * 1000)
    played = playable_samples(loud, 60_000)
    assert played.shape == (60_000,)
    assert np.abs(played).max() == 1
    quiet = np.full(10, 0.25)
    assert np.array_equal(playable_samples(quiet, 1000), quiet)


def test_surround_sound_is_mixed_down() -> None:
    assert playable_samples(np.ones((2, 10)), 1000).shape == (2, 10)
    assert np.array_equal(playable_samples(np.ones((6, 10)), 1000), np.ones(10))
