"""Soundtrack of a film: exact to the sample for every codec, rate and layout."""

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from photism import InputError
from photism.audio.decoding import decoded_blocks
from photism.audio.sources import SoundFile
from photism.drawing.video.audio_features import audio_envelopes, measure_recording
from photism.drawing.video.soundtrack import write_soundtrack
from photism.errors import is_disk_full
from tests.drawing.video.recordings import tone
from tests.support.recordings import click_times, clicks, encode

SAMPLES = 54_321  # no whole packets of any codec


def write(path, codec, *, rate=44_100, layout="stereo", samples=SAMPLES):
    """Write a tone and a little noise in each channel."""
    channels = av.AudioLayout(layout).nb_channels
    noise = np.random.default_rng(0).standard_normal((channels, samples)) * 0.01
    sound = (tone(10)[:samples] + noise).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=layout)
        frame.sample_rate = rate
        size = stream.codec_context.frame_size
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=size or None)
        for each in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(each))
    return path


def decoded(source):
    """Return the rate, and samples (C, T) as floats within ±1."""
    sound = SoundFile.of(source)
    rates, blocks = zip(*decoded_blocks(sound.open(), sound.name), strict=True)
    assert len(set(rates)) == 1
    joined = np.concatenate(blocks, axis=1)
    if joined.dtype.kind == "u":
        return rates[0], joined / 128.0 - 1
    return rates[0], joined / (1 if joined.dtype.kind == "f" else 2.0 ** (8 * joined.itemsize - 1))


def codec_of(path):
    with av.open(str(path)) as container:
        assert len(container.streams) == 1
        return container.streams.audio[0].codec_context.codec.canonical_name


@pytest.mark.parametrize(
    ("name", "codec", "stored_as", "atol"),
    [
        ("a.m4a", "aac", "aac", 0),
        ("a.aac", "aac", "aac", 0),
        ("a.ts", "aac", "aac", 0),
        ("a.mkv", "aac", "flac", 2.0**-15),  # a stream copy would start at another sample
        ("a.flac", "flac", "flac", 0),
        ("a.mov", "alac", "alac", 0),
        ("a.mp3", "libmp3lame", "flac", 2.0**-15),
        ("a.opus", "libopus", "flac", 2.0**-15),
        ("a.ogg", "libopus", "flac", 2.0**-15),
        ("a.wav", "pcm_s16le", "flac", 0),
        ("a.wav", "pcm_u8", "flac", 0),
        ("a.wav", "pcm_s24le", "flac", 0),
        ("a.wav", "pcm_f32le", "flac", 2.0**-23),
        ("a.mkv", "ac3", "flac", 2.0**-15),
    ],
)
def test_the_soundtrack_has_every_sample(tmp_path, name, codec, stored_as, atol):
    source = write(tmp_path / name, codec, rate=48_000)
    write_soundtrack(SoundFile.of(source), tmp_path / "soundtrack.mp4")
    rate, samples = decoded(source)
    found_rate, found = decoded(tmp_path / "soundtrack.mp4")
    assert (found_rate, found.shape) == (rate, samples.shape)
    np.testing.assert_allclose(found, samples, atol=atol, rtol=0)
    assert codec_of(tmp_path / "soundtrack.mp4") == stored_as


@pytest.mark.parametrize(
    ("rate", "layout"), [(8000, "mono"), (22_050, "stereo"), (37_800, "mono"), (96_000, "5.1"), (192_000, "stereo")]
)
def test_the_soundtrack_has_the_rate_and_channels(tmp_path, rate, layout):
    source = write(tmp_path / "a.wav", "pcm_s16le", rate=rate, layout=layout)
    write_soundtrack(SoundFile.of(source.read_bytes()), tmp_path / "soundtrack.mp4")
    rate, samples = decoded(source)
    found_rate, found = decoded(tmp_path / "soundtrack.mp4")
    assert found_rate == rate
    np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize(
    ("codec", "rate", "layout", "found"),
    [
        ("pcm_s16le", 44_100, "stereo", (44_100, 2)),
        ("pcm_s16le", 8000, "mono", (8000, 1)),
        ("pcm_s16le", 37_800, "mono", (44_100, 1)),  # the next rate that AAC has
        ("pcm_s24le", 192_000, "stereo", (96_000, 2)),
        ("pcm_s16le", 48_000, "5.1", (48_000, 6)),
        ("libmp3lame", 44_100, "stereo", (44_100, 2)),
    ],
)
def test_aac_begins_with_the_first_sample(tmp_path, codec, rate, layout, found):
    source = write(tmp_path / ("a.mp3" if "mp3" in codec else "a.wav"), codec, rate=rate, layout=layout)
    write_soundtrack(SoundFile.of(source), tmp_path / "soundtrack.mp4", "aac")
    assert codec_of(tmp_path / "soundtrack.mp4") == "aac"
    written_rate, written = decoded(tmp_path / "soundtrack.mp4")
    assert (written_rate, len(written)) == found
    _, samples = decoded(source)
    assert 0 <= written.shape[1] - samples.shape[1] * written_rate / rate < 1024 + 1
    if written_rate == rate and len(written) == len(samples):
        part = samples[0, 4000:12_000]
        errors = [np.abs(part - written[0, 4000 + lag : 12_000 + lag]).mean() for lag in range(-1500, 1500)]
        assert int(np.argmin(errors)) - 1500 == 0
        assert min(errors) < 0.02


def test_aac_is_copied(tmp_path):
    source = write(tmp_path / "a.m4a", "aac")
    write_soundtrack(SoundFile.of(source), tmp_path / "soundtrack.mp4", "aac")
    np.testing.assert_array_equal(decoded(tmp_path / "soundtrack.mp4")[1], decoded(source)[1])


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_a_part_of_the_soundtrack_is_that_of_its_time(tmp_path, name):
    source = write(tmp_path / name, "aac" if name == "a.m4a" else "pcm_s16le")
    write_soundtrack(SoundFile.of(source), tmp_path / "soundtrack.mp4", span_s=(0.25, 0.75))
    found = decoded(tmp_path / "soundtrack.mp4")[1]
    np.testing.assert_allclose(found, decoded(source)[1][:, 11_025:33_075], atol=2.0**-15)


def test_the_video_stream_is_not_copied(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video, audio = container.add_stream("libx264", rate=5), container.add_stream("aac", rate=48_000)
        video.width = video.height = 16
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 48_000), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        for each in [*av.AudioResampler("fltp", "stereo", 48_000, frame_size=1024).resample(frame), None]:
            container.mux(audio.encode(each))
        container.mux(video.encode(None))
    write_soundtrack(SoundFile.of(tmp_path / "a.mp4"), tmp_path / "soundtrack.mp4")
    assert codec_of(tmp_path / "soundtrack.mp4") == "aac"
    np.testing.assert_array_equal(decoded(tmp_path / "soundtrack.mp4")[1], decoded(tmp_path / "a.mp4")[1])


def test_a_damaged_file_is_stored_as_it_decodes(tmp_path):
    source = write(tmp_path / "a.mp3", "libmp3lame")
    data = bytearray(source.read_bytes())
    data[4000:4400] = b"\xff" * 400
    source.write_bytes(data[:-3000])
    write_soundtrack(SoundFile.of(source), tmp_path / "soundtrack.mp4")
    np.testing.assert_allclose(decoded(tmp_path / "soundtrack.mp4")[1], decoded(source)[1].clip(-1, 1), atol=2.0**-15)


def test_a_changing_sampling_rate_is_refused(tmp_path):
    parts = [write(tmp_path / f"{rate}.mp3", "libmp3lame", rate=rate).read_bytes() for rate in (44_100, 32_000)]
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    with pytest.raises(InputError, match=r"44100 Hz, 32000 Hz\) cannot be stored exactly in an MP4 file; convert"):
        write_soundtrack(SoundFile.of(tmp_path / "a.mp3"), tmp_path / "soundtrack.mp4")


@pytest.mark.parametrize(
    ("name", "form", "codec", "given", "expected"),
    [
        ("late.mp4", "mp4", "aac", {"late_s": 0.5}, [0.5, 1.5, 2.5, 3.5]),
        ("gap.mkv", "matroska", "aac", {"gap": (1.5, 1.0)}, [0, 1, 3, 4]),
        ("gap.mp4", "mp4", "aac", {"gap": (1.5, 1.0)}, [0, 1, 3, 4]),
        ("clock.ts", "mpegts", "aac", {"late_s": 5400}, [0, 1, 2, 3]),
    ],
)
def test_the_soundtrack_begins_at_0_and_has_no_hole(tmp_path, name, form, codec, given, expected):
    (tmp_path / name).write_bytes(encode(form, codec, clicks(), **given))
    write_soundtrack(SoundFile.of(tmp_path / name), tmp_path / "soundtrack.mp4")
    with av.open(str(tmp_path / "soundtrack.mp4")) as container:
        frames = list(container.decode(audio=0))
    ends = [frame.pts + frame.samples for frame in frames]
    assert [frame.pts for frame in frames] == [0, *ends[:-1]]
    assert click_times(decoded(tmp_path / "soundtrack.mp4")[1][0], 48_000) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("form", "given"),
    [("mp4", {"late_s": 0.5}), ("matroska", {"gap": (1.5, 1.0)}), ("mpegts", {"late_s": 0.5, "video_s": 4})],
)
def test_the_pictures_agree_with_the_sound_to_a_frame(tmp_path, form, given):
    source, frame_rate = encode(form, "aac", clicks(), **given), Fraction(25)
    measured = measure_recording(source)
    envelopes = audio_envelopes(measured, frame_rate, attack_s=0, release_s=0.05, pulse_s=0.05)
    onsets = [each.onset_integral for each in islice(envelopes, int(25 * measured.duration_s))]
    strong = np.diff(onsets, prepend=0) > 0.004
    seen = [each for each in (1 + np.flatnonzero(strong[1:] & ~strong[:-1])) / 25 if each > 0.1]
    write_soundtrack(SoundFile(source), tmp_path / "soundtrack.mp4")
    heard = [each for each in click_times(decoded(tmp_path / "soundtrack.mp4")[1][0], 48_000) if each > 0.1]
    assert seen == pytest.approx(heard, abs=1 / 25)


def test_a_full_disk_is_not_taken_for_audio_that_mp4_cannot_hold(tmp_path, request):
    sound = write(tmp_path / "a.mp3", "libmp3lame")
    request.getfixturevalue("little_space")
    with pytest.raises(OSError, match="File too large") as caught:
        write_soundtrack(SoundFile.of(sound), tmp_path / "sound.mp4")
    assert is_disk_full(caught.value)
