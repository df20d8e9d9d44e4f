"""Tracks and channels: the right one is read, others are an error, and channels that cancel out are reported."""

from io import BytesIO

import numpy as np
import pytest

from photism import InputError, load_waveform
from photism.audio.live_input import pipe_samples
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.errors import RecordingWarning
from photism.settings import SettingError
from tests.support.recordings import clicks, encode

RATE = 16_000
LEFT, RIGHT = (np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32) / 2 for hertz in (440, 1000))


def wav(*channels):
    return encode("wav", "pcm_f32le", np.stack(channels), rate=RATE)


def read(data, **reading):
    """Read a recording by both readers, which must agree."""
    samples = load_waveform(data, **reading).samples
    sound = SoundFile(data, reading=ReadingSettings(**reading))
    np.testing.assert_array_equal(np.concatenate(list(stream_samples(sound))), samples)
    np.testing.assert_array_equal(load_waveform(sound).samples, samples)
    return samples


@pytest.mark.parametrize(("channel", "expected"), [("left", LEFT), (1, LEFT), ("right", RIGHT), (2, RIGHT)])
def test_a_channel(channel, expected):
    np.testing.assert_allclose(read(wav(LEFT, RIGHT), channel=channel), expected, atol=1e-6)
    array = np.stack([LEFT, RIGHT])
    np.testing.assert_array_equal(load_waveform(array, sampling_rate=RATE, channel=channel).samples, expected)


def test_the_settings_of_a_sound_file_are_its_own():
    sound = SoundFile(wav(LEFT, -LEFT), reading=ReadingSettings(channel="left"))
    np.testing.assert_allclose(load_waveform(sound).samples, LEFT, atol=1e-6)
    with pytest.raises(InputError, match=r"^a SoundFile has its own track, channel, strict"):
        load_waveform(sound, channel="right")


def test_a_channel_of_a_pipe():
    blocks = pipe_samples(BytesIO(wav(LEFT, -LEFT)), reading=ReadingSettings(channel="left"))
    np.testing.assert_allclose(np.concatenate(list(blocks)), LEFT, atol=1e-6)
    with pytest.warns(RecordingWarning, match="^the pipe: its channels cancel out in their mean"):
        assert not np.concatenate(list(pipe_samples(BytesIO(wav(LEFT, -LEFT))))).any()


def test_a_channel_that_does_not_exist():
    with pytest.raises(InputError, match=r"^source \(bytes\): there is no channel 3; choose one from 1 to 2$"):
        load_waveform(wav(LEFT, RIGHT), channel=3)
    for channel in (0, "middle"):
        with pytest.raises(SettingError, match="channel must be left, right, or a number from 1; got"):
            load_waveform(wav(LEFT), channel=channel)


@pytest.mark.parametrize("noise", [0, 0.01])
def test_opposite_phases_are_reported(noise):
    data = wav(LEFT, noise * RIGHT - LEFT)
    with pytest.warns(RecordingWarning, match="its channels cancel out in their mean; choose one of them"):
        waveform = load_waveform(data)
    assert len(waveform.warnings) == 1
    with pytest.raises(InputError, match="cancel out"):
        load_waveform(data, strict=True)
    np.testing.assert_allclose(read(data, channel="left"), LEFT, atol=1e-6)


def test_other_channels_do_not_cancel_out():
    silence = np.zeros_like(LEFT)
    for channels in ((LEFT, RIGHT), (LEFT, silence), (silence, silence), (LEFT, -0.5 * LEFT), (LEFT, *[silence] * 5)):
        assert load_waveform(wav(*channels)).warnings == ()


@pytest.fixture(scope="module")
def film():
    tracks = [clicks(4)[:, 24_000 * number :] for number in range(3)]
    titles = [{"language": "eng"}, {"language": "fra", "title": "Commentaire"}, {}]
    return encode("matroska", "aac", *tracks, titles=titles)


@pytest.mark.parametrize(("track", "duration_s"), [(None, 4), (1, 4), ("eng", 4), (2, 3.5), ("fra", 3.5), (3, 3)])
def test_a_track(film, track, duration_s):
    assert len(read(film, track=track)) / RATE == pytest.approx(duration_s, abs=0.03)


def test_a_track_that_does_not_exist(film):
    for track in (4, "deu"):
        with pytest.raises(InputError, match=f"there is no audio track {track}; it has 1 eng, 2 fra Commentaire, 3$"):
            load_waveform(film, track=track)
    with pytest.raises(SettingError, match="track must be at least 1, or a language; got 0"):
        load_waveform(film, track=0)
    with pytest.raises(InputError, match="track is for files only"):
        load_waveform(LEFT, sampling_rate=RATE, track=1)
