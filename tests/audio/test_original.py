"""Recordings with all their channels, at their own rate, in their own sample type."""

import numpy as np
import pytest

from photism import InputError
from photism.audio.original import load_original
from photism.audio.waveform import Waveform, load_waveform
from tests.support.recordings import clicks, encode


@pytest.mark.parametrize(
    ("kind", "sample_type"), [("u1", "int16"), ("i2", "int16"), ("i4", "int32"), ("f4", "float32"), ("f8", "float64")]
)
def test_arrays_stay_as_they_are(kind, sample_type):
    samples = (np.random.default_rng(0).standard_normal((2, 4410)) * 20 + 100).astype(kind)
    found = load_original({"array": samples, "sampling_rate": 44_100})
    assert (found.sampling_rate, found.sample_type) == (44_100, sample_type)
    assert found.samples is samples or np.array_equal(found.samples, samples)
    assert load_original(found) is found


def test_the_mono_waveform_is_that_of_load_waveform():
    recording = encode("wav", "pcm_s16le", clicks())
    assert np.array_equal(load_original(recording).waveform().samples, load_waveform(recording).samples)
    waveform = Waveform(np.ones(800, np.float32))
    assert np.array_equal(load_original(waveform).samples, waveform.samples[None])


def test_unusable_recordings_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none.wav: no such file"):
        load_original(tmp_path / "none.wav")
    with pytest.raises(InputError, match="must be at least 400"):
        load_original({"array": np.zeros(100, np.float32), "sampling_rate": 16_000}).waveform()
    with pytest.raises(InputError, match="is longer than 3600 s; cut it"):
        load_original({"array": np.zeros(3_601_000, np.uint8), "sampling_rate": 1000})
