"""Samples are at the times of their container: holes and late starts are silence, and overlaps are cut."""

import io

import numpy as np
import pytest

from photism import load_waveform
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.time_axis import TimedFrame, place_frames
from tests.support.recordings import click_times, clicks, encode

RATE = 1000
FRAME_S = 0.02


def place(offsets, **given):
    """Place frames of 20 ones at their times and the given offsets, and return what is placed, in samples."""
    frames = [
        TimedFrame(None if offset is None else number * FRAME_S + offset, RATE, np.ones((1, 20), np.float32))
        for number, offset in enumerate(offsets)
    ]
    return np.concatenate([samples for _, samples in place_frames(iter(frames), **given)], axis=1)[0]


class TestPlaceFrames:
    def test_rounding_and_jitter_change_nothing(self):
        offsets = np.random.default_rng(0).uniform(-0.03, 0.03, 1000)
        assert len(place([0.0, *offsets, 0.0])) == 20 * 1002

    def test_a_hole_becomes_silence_where_it_is(self):
        placed = place([0.0] * 50 + [0.5] * 50)
        np.testing.assert_array_equal(placed, np.repeat([1, 0, 1], [1000, 500, 1000]))

    def test_a_wrong_time_of_the_last_frame_is_not_a_hole(self):
        assert len(place([0.0] * 99 + [3000.0])) == 2000

    def test_a_hole_of_several_seconds_in_unsigned_samples(self):
        frames = [TimedFrame(start, 10, np.full((2, 5), 130, np.uint8)) for start in (0.0, 4.0)]
        blocks = [samples for _, samples in place_frames(iter(frames))]
        assert [block.shape for block in blocks] == [(2, 5), (2, 10), (2, 10), (2, 10), (2, 5), (2, 5)]
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1)[0], np.repeat([130, 128, 130], [5, 35, 5]))

    def test_discontinuous_transmission(self):
        times = np.cumsum([0, *([1] * 20), 30, 8, 8, 8, *([1] * 20)]) * FRAME_S
        placed = place([time - number * FRAME_S for number, time in enumerate(times)])
        present = (times[:, None] * RATE + np.arange(20)).round().astype(int).ravel()
        assert len(placed) == present[-1] + 1
        assert np.flatnonzero(placed).tolist() == present.tolist()

    def test_a_late_start(self):
        np.testing.assert_array_equal(place([0.25] * 10), np.repeat([0, 1], [250, 200]))

    def test_what_comes_before_time_zero_is_cut(self):
        assert len(place([-0.05] * 10)) == 200 - 50

    def test_an_overlap_is_cut(self):
        assert len(place([0.0] * 50 + [-0.3] * 50)) == 2000 - 300

    def test_a_hole_after_an_overlap_that_is_not_cut_yet(self):
        assert len(place([0.0] * 50 + [-0.3] * 9 + [0.5] * 50)) == 2180 + 500

    def test_drift_is_followed(self):
        for drift in (0.002, -0.002):
            placed = place(drift * FRAME_S * np.arange(5000))
            assert len(placed) / RATE == pytest.approx(100 * (1 + drift), abs=0.015)

    def test_one_wrong_timestamp_is_ignored(self):
        for wrong in (5.0, -5.0, 1e12, -1e12):
            assert len(place([0.0] * 20 + [wrong] + [0.0] * 20)) == 41 * 20

    @pytest.mark.parametrize("jump", [1e15, 7200.0, -20.0])
    def test_a_jump_to_another_clock_is_reported_and_ignored(self, jump):
        jumps = []
        assert (
            len(
                place(
                    [0.0] * 20 + [jump] * 20 + [jump + 0.5] * 20,
                    on_shift=lambda position_s, shift_s: jumps.append(shift_s),
                )
            )
            == 60 * 20 + 500
        )
        assert jumps == pytest.approx([jump, 0.5])

    def test_timestamps_that_start_again(self):
        assert len(place([0.0] * 50 + [-1.0] * 50, longest_overlap_s=0.1)) == 2000

    def test_frames_without_timestamps_follow_the_last(self):
        assert len(place([None] * 3 + [0.0, None, None, 0.5, None, None])) == 9 * 20 + 500

    def test_a_change_of_rate(self):
        frames = [TimedFrame(0.0, 1000, np.ones((1, 500))), TimedFrame(1.0, 2000, np.ones((1, 500)))]
        placed = list(place_frames(iter(frames)))
        assert [(rate, samples.shape[1]) for rate, samples in placed] == [(1000, 500), (2000, 1000), (2000, 500)]


def decoded(data):
    """Return the samples of a file, which both readers must agree on."""
    samples = load_waveform(data).samples
    np.testing.assert_array_equal(np.concatenate(list(stream_samples(SoundFile.of(data)))), samples)
    return samples


def times(data):
    return pytest.approx(click_times(decoded(data)), abs=0.03)  # an encoder may add its delay


@pytest.mark.parametrize(
    ("format", "codec", "rate"),
    [
        ("mp4", "aac", 48_000),
        ("matroska", "aac", 44_100),
        ("webm", "libopus", 48_000),
        ("mov", "pcm_s16le", 44_100),
        ("flv", "aac", 44_100),
        ("ogg", "libopus", 48_000),
        ("nut", "libmp3lame", 44_100),
    ],
)
def test_a_late_start_is_silence(format, codec, rate):
    data = encode(format, codec, clicks(rate=rate), rate=rate, late_s=0.5)
    assert times(data) == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("format", "codec", "rate"),
    [
        ("mp4", "aac", 48_000),
        ("matroska", "aac", 44_100),
        ("matroska", "flac", 44_100),
        ("webm", "libopus", 48_000),
        ("mpegts", "aac", 48_000),
        ("flv", "aac", 44_100),
        ("ogg", "libopus", 48_000),
        ("3gp", "libopencore_amrnb", 8000),
    ],
)
def test_a_hole_is_silence(format, codec, rate):
    channels = 1 if rate == 8000 else 2
    options = {"page_duration": "20000"} if format == "ogg" else None  # its pages of a second say no more of a hole
    data = encode(format, codec, clicks(rate=rate, channels=channels), rate=rate, gap=(1.5, 1.25), options=options)
    assert times(data) == [0, 1, 3.25, 4.25]
    assert abs(decoded(data)[28_000:42_000]).max() < 0.01


@pytest.mark.parametrize(("format", "codec"), [("mp4", "aac"), ("matroska", "aac"), ("mpegts", "mp2")])
def test_audio_that_begins_after_the_pictures(format, codec):
    assert times(encode(format, codec, clicks(), late_s=0.5, video_s=2)) == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(("format", "codec"), [("mpegts", "aac"), ("mpeg", "mp2"), ("ogg", "libopus")])
def test_a_clock_that_was_running_before(format, codec):
    data = encode(
        format,
        codec,
        clicks(rate=48_000 if codec != "aac" else 44_100),
        rate=48_000 if codec != "aac" else 44_100,
        late_s=5400,
    )
    assert times(data) == [0, 1, 2, 3]


def test_pauses_of_a_telephone():
    """AMR's decoder refuses the frames without speech, in a file that has no timestamps."""
    samples = np.concatenate([np.pad(clicks(1, rate=8000, channels=1), ((0, 0), (0, 8000)))] * 3, axis=1)
    for format in ("amr", "3gp"):
        data = encode(format, "libopencore_amrnb", samples, rate=8000, codec_options={"dtx": "1"})
        assert times(data) == [0, 2, 4]
        assert len(decoded(data)) / 16_000 == pytest.approx(6, abs=0.02)


def test_transport_streams_that_are_joined():
    assert times(2 * encode("mpegts", "mp2", clicks(), late_s=10)) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_chained_ogg_file_whose_links_differ():
    links = [
        encode("ogg", "flac", clicks(2, rate=16_000, channels=1), rate=16_000),
        encode("ogg", "flac", clicks(2, rate=44_100), rate=44_100),
        encode("ogg", "libopus", clicks(2), rate=48_000),
    ]
    assert times(b"".join(links)) == [0, 1, 2, 3, 4, 5]
    assert len(decoded(io.BytesIO(b"".join(links)).getvalue())) == pytest.approx(6 * 16_000, abs=200)


@pytest.mark.parametrize("jitter_ms", [0, 5])
def test_rounded_timestamps_change_no_sample(jitter_ms):
    samples = clicks(rate=44_100, channels=1)
    plain = encode("wav", "pcm_f32le", samples, rate=44_100)
    rounded = encode("matroska", "pcm_f32le", samples, rate=44_100, jitter_s=(0, jitter_ms / 1000, 0))
    np.testing.assert_array_equal(decoded(rounded), decoded(plain))
