"""Segments of recordings, compared with slices of the whole recording."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from photism import InputError
from photism.audio.long_recording import load_recording
from photism.audio.original import load_original
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import SAMPLING_RATE, load_samples, load_waveform
from tests.fuzz.corpus import FORMATS, encode

SECONDS = 6.0


@pytest.fixture(scope="module", params=FORMATS)
def file(request: pytest.FixtureRequest) -> bytes:
    """Return six seconds of each format."""
    return encode(request.param, SECONDS)


def test_every_reader_returns_the_slice_of_the_whole_recording(file: bytes):
    whole, native = load_waveform(file).samples, load_original(file)
    for start_s, end_s in ((0.0, 0.7), (0.7, 1.1), (3.3, 4.12345), (4.5, None)):
        first = round(start_s * SAMPLING_RATE)
        last = None if end_s is None else round(end_s * SAMPLING_RATE)
        sound = SoundFile(file, "a", start_s=start_s, end_s=end_s)
        loaded = load_recording(sound)
        np.testing.assert_allclose(loaded.samples, whole[first:last], atol=1e-6)
        assert loaded.warnings == ()
        np.testing.assert_array_equal(load_waveform(sound).samples, loaded.samples)
        np.testing.assert_array_equal(np.concatenate(list(stream_samples(sound))), loaded.samples)
        at_rate = slice(round(start_s * native.sampling_rate), end_s and round(end_s * native.sampling_rate))
        np.testing.assert_array_equal(load_original(sound).samples, native.samples[:, at_rate])
    half = load_samples(SoundFile(file, "a", start_s=3.3, end_s=4.12345), 8000)
    np.testing.assert_allclose(half, load_samples(SoundFile(file), 8000)[26_400:32_988], atol=1e-6)


@pytest.mark.parametrize("name", ["wav-s16", "wav-f32", "flac", "aiff", "au", "mp3", "m4a", "ogg-opus"])
def test_a_segment_late_in_a_recording_is_the_slice_but_for_rounding(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("photism.audio.segment.SKIP_FROM_S", 2)
    file = encode(name, SECONDS)
    whole, native = load_waveform(file).samples, load_original(file)
    for start_s, end_s in ((3.23456, 4.0), (5.0, None), (5.5, 6.0)):
        sound = SoundFile(file, "a", start_s=start_s, end_s=end_s)
        first, last = (round(start_s * SAMPLING_RATE), end_s and round(end_s * SAMPLING_RATE))
        loaded = load_waveform(sound)
        np.testing.assert_allclose(loaded.samples, whole[first:last], atol=2e-6)
        assert loaded.warnings == ()
        at_rate = slice(round(start_s * native.sampling_rate), end_s and round(end_s * native.sampling_rate))
        np.testing.assert_array_equal(load_original(sound).samples, native.samples[:, at_rate])
    with pytest.raises(InputError, match=r"^a: the segment starts at 40 s, but the recording ends at 6\.\d\d s$"):
        load_waveform(SoundFile(file, "a", start_s=40.0))


@pytest.mark.parametrize("name", ["wav-s16", "flac"])
def test_what_comes_before_a_segment_is_not_read(name: str):
    class Counted(BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    content = encode(name, 100.0)
    file = Counted(content)
    load_waveform(SoundFile(lambda: file, "a", start_s=95.0, end_s=96.0))
    assert 0 < file.count < len(content) / 2


def test_a_change_of_the_rate_before_a_segment_moves_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("photism.audio.segment.SKIP_FROM_S", 2)
    chain = encode("ogg-vorbis", 2.3) + encode("ogg-opus", SECONDS)
    whole = load_waveform(chain).samples
    for start_s in (2.2, 3.1, 5.0, 7.7):
        samples = load_waveform(SoundFile(chain, "a", start_s=start_s)).samples
        np.testing.assert_allclose(samples, whole[round(start_s * SAMPLING_RATE) :], atol=2e-6)


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, None), (2.0, 1.0), (1.0, 1.0), (float("nan"), None)])
def test_a_segment_must_end_after_its_start(start_s: float, end_s: float | None):
    with pytest.raises(InputError, match=r"^a\.wav: a segment must start at 0 s or later and end after its start"):
        SoundFile("a.wav", start_s=start_s, end_s=end_s)


def test_a_segment_must_start_within_the_recording():
    sound = SoundFile(encode("wav-s16"), "a.wav", start_s=0.7)
    with pytest.raises(InputError, match=r"^a\.wav: the segment starts at 0.7 s, but the recording ends at 0\.60 s$"):
        load_waveform(sound)


def test_a_segment_that_ends_after_the_recording_is_what_there_is_with_a_warning():
    with pytest.warns(UserWarning, match=r"^a\.wav: the segment ends at 0\.8 s, but the recording at 0\.60 s$"):
        loaded = load_waveform(SoundFile(encode("wav-s16"), "a.wav", start_s=0.2, end_s=0.8))
    assert loaded.duration_s == pytest.approx(0.4)
    assert load_waveform(SoundFile(encode("wav-s16"), start_s=0.2, end_s=0.65)).warnings == ()  # lists round


def test_what_is_missing_after_a_segment_is_not_reported(tmp_path: Path):
    truncated = tmp_path / "truncated.flac"
    truncated.write_bytes(encode("flac", SECONDS)[:-9000])
    with pytest.warns(UserWarning, match="are missing"):
        load_waveform(truncated)
    assert load_waveform(SoundFile(truncated, end_s=1.0)).warnings == ()
