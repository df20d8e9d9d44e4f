"""Which parts of live speech and sound are encoded, and when."""

from itertools import pairwise

import numpy as np
import pytest

from photism import load_waveform
from photism.drawing.live.speech_tracker import BLOCK_S, GUESS_BLOCKS, SpeechTracker
from photism.hub import bundled_model
from tests.drawing.video.recordings import RATE, noise, silence, tone

BLOCK = 512


@pytest.fixture(scope="module")
def word():
    return load_waveform(bundled_model() / "examples" / "elephant.en.ogg").samples


def follow(samples, longest_s=6.0):
    tracker = SpeechTracker(longest_s)
    blocks = samples.astype(np.float32)[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return [part for block in blocks if (part := tracker(block)) is not None]


def test_a_word_is_encoded_while_it_is_said_and_when_it_pauses(word):
    silent_s = 0.48
    parts = follow(np.r_[silence(silent_s), word, silence(1)])
    kinds = [part.kind for part in parts]
    assert set(kinds) == {"speaking", "paused"}
    assert kinds[0] == "speaking"
    assert kinds[-1] == "paused"
    assert kinds.count("speaking") >= 2
    last = parts[-1]
    assert last.starts[0] * BLOCK_S == pytest.approx(silent_s, abs=0.1)
    assert last.stop * BLOCK_S < silent_s + len(word) / RATE + 0.1
    stops = [part.stop for part in parts if part.kind == "speaking"]
    assert all(two - one >= GUESS_BLOCKS for one, two in pairwise(stops))


def test_a_segment_may_begin_with_those_shortly_before_it(word):
    parts = follow(np.r_[silence(0.3), word, silence(0.4), word, silence(1.5), word, silence(0.5)])
    ends = [part.starts for part in parts if part.kind == "paused"]
    assert len(ends[0]) == 1
    near = next(starts for starts in ends if starts[0] > ends[0][0] + 10)
    assert near[-1] == ends[0][0]
    assert len(ends[-1]) == 1  # after a long pause


def test_words_without_a_pause_may_begin_with_the_last_phrase(word):
    spoken = word[np.flatnonzero(np.abs(word) > 0.02)[0] : np.flatnonzero(np.abs(word) > 0.02)[-1]]
    parts = follow(np.r_[silence(0.3), spoken, silence(0.14), spoken, silence(0.5)])
    last = [part for part in parts if part.kind == "paused"][-1]
    assert len(last.starts) > 1
    assert last.starts[1] > last.starts[0]


def test_a_part_is_no_longer_than_the_window(word):
    speech = np.tile(word, 4)
    for part in follow(np.r_[silence(0.3), speech, silence(0.5)], longest_s=1.0):
        assert part.stop - min(part.starts) <= round(1.0 / BLOCK_S)


@pytest.mark.parametrize(("samples", "found"), [(silence(2.5), 0), (noise(2.5, gain=0.0005), 0), (tone(2.5), 2)])
def test_sound_without_speech_is_encoded_each_second_if_it_is_loud(samples, found):
    parts = follow(samples, longest_s=3.0)
    assert [part.kind for part in parts] == ["sound"] * found
    assert all(part.stop - part.starts[0] <= 1.0 / BLOCK_S for part in parts)  # a third of the window
