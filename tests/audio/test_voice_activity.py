"""Voice activity detection compared with the library, and segments worked out by hand."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from photism import Waveform, load_waveform
from photism.audio import voice_activity
from photism.audio.long_recording import load_recording
from photism.audio.voice_activity import merge_segments, segments_from_probabilities, speech_probabilities
from photism.hub import bundled_model
from tests.support.long_recordings import read_in_blocks

BLOCK_S = 0.032


def test_segments_by_hand():
    probabilities = np.zeros(400, np.float32)
    probabilities[10] = 0.9  # too short to be speech
    probabilities[100:120] = 0.6
    probabilities[110:115] = 0.4  # above the threshold that ends speech
    probabilities[125:140] = 0.9  # after a short pause
    probabilities[160:170] = 0.9
    probabilities[390:] = 0.9
    segments = segments_from_probabilities(probabilities, 400 * BLOCK_S)
    half_pause_s = (160 - 140) * BLOCK_S / 2
    expected = [
        (100 * BLOCK_S - 0.2, 140 * BLOCK_S + min(0.2, half_pause_s)),
        (160 * BLOCK_S - min(0.2, half_pause_s), 170 * BLOCK_S + 0.2),
        (390 * BLOCK_S - 0.2, 400 * BLOCK_S),
    ]
    assert segments == [(pytest.approx(start), pytest.approx(stop)) for start, stop in expected]


def test_segments_are_merged_across_short_pauses_up_to_a_length():
    segments = [(3.0, 4.7), (4.9, 5.6), (12.3, 12.8)]
    assert merge_segments(segments, 60.0) == [(3.0, 5.6), (12.3, 12.8)]
    assert merge_segments(segments, 2.6) == [(3.0, 5.6), (12.3, 12.8)]
    assert merge_segments(segments, 2.5) == segments
    assert merge_segments([], 60.0) == []


def test_the_weights_are_read_without_the_warnings_of_torch(monkeypatch):
    read = torch.jit.load

    def deprecated(*arguments, **options):
        warnings.warn("torch.jit.load is deprecated", FutureWarning, stacklevel=2)
        return read(*arguments, **options)

    monkeypatch.setattr(torch.jit, "load", deprecated)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        voice_activity._network.__wrapped__()


def test_probabilities_equal_the_librarys():
    silero = pytest.importorskip("silero_vad", reason="silero-vad is not installed")
    speech = load_waveform(bundled_model() / "examples" / "elephant.en.ogg").samples
    threads = torch.get_num_threads()
    samples = np.concatenate([np.zeros(8000, np.float32), speech, 0.01 * speech, speech])
    ours = speech_probabilities(Waveform(samples))
    with read_in_blocks(block_samples=1000):
        np.testing.assert_allclose(speech_probabilities(load_recording(Waveform(samples))), ours, atol=1e-5)
    library = torch.jit.load(Path(silero.__file__).parent / "data" / "silero_vad.jit")
    blocks = torch.tensor(np.pad(samples, (0, -len(samples) % 512))).split(512)
    with torch.no_grad():
        theirs = [float(library(block, 16_000)) for block in blocks]
    torch.set_num_threads(threads)  # importing the library changes it
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert max(theirs) > 0.9
    assert min(theirs) < 0.1
