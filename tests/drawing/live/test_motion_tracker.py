"""Loudness and onsets of a recording that goes on, with automatic gain."""

import numpy as np
import pytest

from photism.drawing.live.motion_tracker import LiveMotion, MotionTracker
from photism.drawing.video.motion import NOISE_DRIFT, ONSET_NOISE
from tests.drawing.video.recordings import beats, noise, silence, tone

BLOCK = 512


def follow(samples):
    tracker = MotionTracker()
    blocks = samples.astype(np.float32)[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return [tracker(block) for block in blocks]


def test_silence_does_not_move():
    assert follow(silence(1))[-1] == LiveMotion(0, 0, 0)


def test_a_quiet_recording_moves_as_far_as_a_loud_one():
    loud, quiet = (follow(gain * beats(4))[-60:] for gain in (1.0, 0.3))
    for name in ("loudness", "pulse"):
        ours, theirs = ([getattr(each, name) for each in found] for found in (loud, quiet))
        assert max(ours) > 0.8
        assert max(theirs) == pytest.approx(max(ours), abs=0.1)


def test_onsets_push_and_steady_sound_does_not():
    pushed = follow(beats(3))[-1].onset_integral
    assert pushed > 0.1
    steady = follow(noise(3))
    assert steady[-1].onset_integral - steady[30].onset_integral < pushed / 10


def test_a_change_of_level_is_followed():
    found = follow(np.r_[tone(1), 0.03 * tone(30)])
    assert found[40].loudness < 0.1
    assert found[-1].loudness > 0.3


def test_amounts_are_those_of_the_settings():
    motion = LiveMotion(1.0, 1.0, 0.5)
    assert motion.zoom(0.1) == pytest.approx(1.1)
    assert motion.zoom(0) == 1
    assert motion.noise(2.0, 3.0) == pytest.approx(2 * (3 * NOISE_DRIFT + 0.5 * ONSET_NOISE))
