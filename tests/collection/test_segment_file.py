"""Files of recordings and segments for players."""

import wave

import av
import numpy as np
import pytest

from photism.audio.writing import write_waveform
from photism.collection.search import Hit
from photism.collection.segment_file import playable_file, write_segment
from photism.errors import InputError
from photism.hub import bundled_model

RATE = 48_000


def hit_of(path, start_s=0.0, end_s=None):
    return Hit(str(path), start_s, end_s, 0.0, {})


def tones(path, channels, sample_type="int16"):
    samples = np.stack([np.full(RATE, (number + 1) / 8) for number in range(channels)])
    write_waveform(samples, path, sampling_rate=RATE, title="", about={}, sample_type=sample_type)
    return path


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("flac", "audio/flac"), ("ogg", "audio/ogg")],
)
def test_files_that_browsers_play(tmp_path, suffix, media_type):
    path = tones(tmp_path / f"a.{suffix}", 1)
    assert playable_file(hit_of(path)) == (path, media_type)
    assert playable_file(hit_of(path, 0.1)) is None
    assert playable_file(hit_of(path, 0, 0.5)) is None


def test_files_that_they_do_not_play(tmp_path):
    assert playable_file(hit_of(tones(tmp_path / "a.wav", 1, "float64"))) is None
    text = tmp_path / "b.wav"
    text.write_text("secret")
    disguised = tmp_path / "c.mp3"
    disguised.write_bytes((bundled_model() / "examples" / "elephant.en.ogg").read_bytes())
    for path in (text, disguised, tmp_path / "missing.wav"):
        assert playable_file(hit_of(path)) is None


@pytest.mark.parametrize(("channels", "written", "value"), [(1, 1, 1 / 8), (2, 2, 1 / 8), (3, 1, 2 / 8)])
def test_a_segment_keeps_its_rate_and_up_to_two_channels(tmp_path, channels, written, value):
    path = tones(tmp_path / "a.wav", channels, "float64")
    write_segment(hit_of(path, 0.25, 0.5), tmp_path / "b.wav")
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE, written, RATE // 4)
        samples = np.frombuffer(file.readframes(RATE), "<i2").reshape(-1, written)
    assert np.abs(samples[:, 0] / 32_767 - value).max() < 1e-4


def test_the_sound_of_a_video_is_written(tmp_path):
    target = tmp_path / "a.mkv"
    with av.open(str(target), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 8192, np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    write_segment(hit_of(target), tmp_path / "b.wav")
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 8000)


def test_what_cannot_be_read_is_an_error(tmp_path):
    path = tones(tmp_path / "a.wav", 1)
    with pytest.raises(InputError, match="the segment starts at 2 s"):
        write_segment(hit_of(path, 2.0), tmp_path / "b.wav")
    path.write_text("secret")
    with pytest.raises(InputError):
        write_segment(hit_of(path), tmp_path / "b.wav")
