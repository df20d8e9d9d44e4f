"""Long recordings are read in blocks of the same samples as those of load_waveform."""

import io

import numpy as np
import pytest
import torch

from photism import InputError, Waveform, load_waveform
from photism.audio.level import measure_level
from photism.audio.log_mel import log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import LongRecording, load_recording, sample_blocks
from photism.audio.sources import SoundFile
from photism.audio.writing import write_waveform
from photism.errors import RecordingWarning
from tests.support.long_recordings import read_in_blocks

SAMPLES = (0.1 * np.random.default_rng(0).standard_normal(40_123)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "noise.wav"
    write_waveform(SAMPLES, path, sampling_rate=16_000, title="", about={})
    return path


FORMS = [str, lambda path: path.read_bytes(), lambda path: io.BytesIO(path.read_bytes()), load_waveform]


@pytest.mark.parametrize("form", FORMS)
def test_a_long_recording_has_the_samples_of_the_waveform_as_often_as_it_is_read(path, form):
    expected = load_waveform(path)
    short = load_recording(form(path))
    assert isinstance(short, Waveform)
    np.testing.assert_array_equal(short.samples, expected.samples)
    with read_in_blocks():
        long = load_recording(form(path))
        assert isinstance(long, LongRecording)
        assert load_recording(long) is long
        assert (long.sample_count, long.duration_s) == (expected.sample_count, expected.duration_s)
        assert long.level == measure_level(expected.samples)
        for recording in (long, long, expected):
            np.testing.assert_array_equal(np.concatenate(list(sample_blocks(recording))), expected.samples)
        np.testing.assert_array_equal(long.beginning(0.7).samples, expected.samples[:11_200])
        np.testing.assert_array_equal(long.beginning(9).samples, expected.samples)


def test_an_hour_is_held_in_memory_and_more_is_not(path, monkeypatch):
    monkeypatch.setattr("photism.audio.long_recording.MAX_HELD_S", load_waveform(path).duration_s)
    assert isinstance(load_recording(path), Waveform)
    assert isinstance(load_recording(np.append(load_waveform(path).samples, 0), sampling_rate=16_000), LongRecording)


@pytest.mark.parametrize("form", FORMS[:3])
def test_a_limit_of_the_caller_is_kept(path, form):
    with pytest.raises(InputError, match=r"longer than max_duration_s=2\.5; cut it"):
        load_recording(form(path), max_duration_s=2.5)
    assert load_recording(form(path), max_duration_s=2.6).duration_s > 2.5


def test_a_recording_shorter_than_a_frame_is_named(tmp_path):
    write_waveform(SAMPLES[:399], tmp_path / "short.wav", sampling_rate=16_000, title="", about={})
    with pytest.raises(InputError, match=r"short\.wav: samples must be at least 400"):
        load_recording(tmp_path / "short.wav")


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_features_in_blocks_are_those_of_the_whole_recording(stride):
    ramp = np.linspace(0, 1, len(SAMPLES), dtype=np.float32)
    for samples in (SAMPLES * ramp, np.zeros_like(SAMPLES), SAMPLES[:900]):
        expected, mask = log_mel([samples], num_mel_bins=40, stride=stride)
        with read_in_blocks(block_samples=1234):
            recording = load_recording(Waveform(samples))
            stream = LogMelStream.measure(recording, num_mel_bins=40, stride=stride)
            found = torch.cat(list(stream.blocks()))
            beginning = stream.beginning(5)
        assert stream.token_count == int(mask.sum()) == len(found)
        torch.testing.assert_close(found, expected[0, : len(found)], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(beginning, expected[0, : min(5, len(found))], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("load", [load_waveform, load_recording])
def test_samples_that_another_process_decoded_are_taken_with_what_is_missing(path, load):
    decoded = Waveform(SAMPLES[:16_000], ("1.5 s are missing",))
    sound = SoundFile(path, decoded=decoded)
    with pytest.warns(RecordingWarning, match="1.5 s are missing"):
        assert load(sound) is decoded
    assert sound.warnings == decoded.warnings
    with pytest.raises(InputError, match="longer than max_duration_s"):
        load(sound, max_duration_s=0.5)
