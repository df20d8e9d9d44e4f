"""stream_samples returns the samples of load_waveform in blocks, in bounded memory."""

import tracemalloc
import wave

import numpy as np
import pytest

from photism import InputError
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import SAMPLING_RATE, load_waveform


def write(path, samples, rate=44_100):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture
def recording(tmp_path):
    """3.3 s of stereo noise at 44.1 kHz."""
    noise = np.random.default_rng(0).standard_normal((145_530, 2)) * 3000
    return write(tmp_path / "noise.wav", noise)


@pytest.mark.parametrize("block_samples", [7, 1000, 16_000, 1_000_000])
def test_concatenated_blocks_are_the_waveform(recording, block_samples):
    blocks = list(stream_samples(SoundFile.of(recording), block_samples=block_samples))
    assert {len(block) for block in blocks[:-1]} <= {block_samples}
    assert 1 <= len(blocks[-1]) <= block_samples
    np.testing.assert_array_equal(np.concatenate(blocks), load_waveform(recording).samples)


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri(), lambda path: path.read_bytes()])
def test_any_form_of_file_can_be_read_repeatedly(recording, form):
    sound = SoundFile.of(form(recording))
    assert SoundFile.of(sound) is sound
    for _ in range(2):
        assert sum(map(len, stream_samples(sound))) == 52_800


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for seconds in (30, 240):
        sound = SoundFile.of(write(tmp_path / f"{seconds}.wav", np.zeros((8000 * seconds, 1)), rate=8000))
        tracemalloc.start()
        count = sum(map(len, stream_samples(sound)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == seconds * SAMPLING_RATE
    assert peaks[1] < 1.1 * peaks[0]


def test_files_that_are_not_audio_are_rejected(tmp_path):
    with pytest.raises(InputError, match=r"missing\.wav: no such file"):
        SoundFile.of(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(InputError, match=r"text.wav: not an audio or video file that FFmpeg can read"):
        list(stream_samples(SoundFile.of(tmp_path / "text.wav")))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (np.nan, "must be finite, but contain NaN or infinity"),
        (np.inf, "must be finite, but contain NaN or infinity"),
        (1e30, r"are out of range: .* reach 1e\+30"),
    ],
)
def test_samples_that_are_not_plausible_are_rejected(tmp_path, value, problem):
    samples = np.zeros(16_000, "<f4")
    samples[9000] = value
    header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0" + np.array([16_000, 64_000], "<u4").tobytes()
    header += b"\x04\0\x20\0data" + np.array([64_000], "<u4").tobytes()
    (tmp_path / "a.wav").write_bytes(header + samples.tobytes())
    with pytest.raises(InputError, match=f"a.wav: samples {problem}; repair"):
        list(stream_samples(SoundFile.of(tmp_path / "a.wav")))


def test_the_rate_of_the_file_is_reported(recording):
    rates = []
    list(stream_samples(SoundFile.of(recording), block_samples=1000, callback_on_rate=rates.append))
    assert rates == [44_100]
