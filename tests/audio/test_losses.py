"""What is missing of truncated and damaged files is reported, and nothing of good ones."""

import re
import warnings

import av
import numpy as np
import pytest

from photism import InputError, load_waveform
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.errors import RecordingWarning
from tests.support.recordings import clicks, encode

FORMATS = {
    "wav": ("wav", "pcm_s16le", {}),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}),
    "w64": ("w64", "pcm_s16le", {}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "au": ("au", "pcm_s16be", {}),
    "caf": ("caf", "pcm_s16le", {}),
    "flac": ("flac", "flac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "m4a": ("ipod", "aac", {"movflags": "faststart"}),
    "mkv": ("matroska", "aac", {}),
    "webm": ("webm", "libopus", {}),
    "flv": ("flv", "aac", {}),
    "avi": ("avi", "libmp3lame", {}),
    "asf": ("asf", "ac3", {}),
}
UNTIMED = {
    "aac": ("adts", "aac", {}),
    "ts": ("mpegts", "aac", {}),
    "ogg": ("ogg", "libopus", {"page_duration": "200000"}),
    "mp3 without a header": ("mp3", "libmp3lame", {"write_xing": "0"}),
    "mpg": ("mpeg", "mp2", {}),
    "amr": ("amr", "libopencore_amrnb", {}),
}


@pytest.fixture(scope="module")
def files():
    return {
        name: encode(format, codec, clicks(rate=rate, channels=channels), rate=rate, options=options)
        for name, (format, codec, options) in (FORMATS | UNTIMED).items()
        for rate, channels in [(8000, 1) if name == "amr" else (44_100 if name == "flv" else 48_000, 2)]
    }


def warnings_of(source, **given):
    """Return the warnings of a waveform, which are given as Python's warnings too."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", RecordingWarning)
        waveform = load_waveform(source, **given)
    assert [f"source (bytes): {each}" for each in waveform.warnings] == [str(each.message) for each in found]
    return waveform.warnings


@pytest.mark.parametrize("name", [*FORMATS, *UNTIMED])
def test_good_files_have_no_warning(files, name):
    assert warnings_of(files[name]) == ()


@pytest.mark.parametrize("name", FORMATS)
def test_the_missing_seconds_of_a_truncated_file(files, name):
    data = files[name][: int(len(files[name]) * 0.6)]
    (warning,) = warnings_of(data)
    missing, whole = re.fullmatch(
        r"(\S+) of (\S+) s are missing, because the file is truncated or damaged", warning
    ).groups()
    assert float(missing) == pytest.approx(1.6, abs=0.15)
    assert float(whole) == pytest.approx(4, abs=0.15)
    with pytest.raises(InputError, match=r"^source \(bytes\): \S+ of \S+ s are missing"):
        load_waveform(data, strict=True)


def test_a_truncated_ogg_file_lacks_at_least_a_page(files):
    (warning,) = warnings_of(files["ogg"][: int(len(files["ogg"]) * 0.6)])
    assert re.match(r"at least 0\.\d s are missing", warning)


@pytest.mark.parametrize("name", ["aac", "ts"])
def test_a_truncated_file_without_a_declared_length(files, name):
    assert warnings_of(files[name][: int(len(files[name]) * 0.6)])[0].startswith("some of its audio is missing")


@pytest.mark.parametrize("name", ["flac", "mp3", "m4a", "ogg", "ts"])
def test_damage_in_the_middle(files, name):
    middle = len(files[name]) // 2
    (warning,) = warnings_of(files[name][:middle] + bytes(9000) + files[name][middle + 9000 :])
    assert re.match(r"[01]\.\d of [34]\.\d s are missing", warning)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF])
def test_a_wav_file_written_to_a_pipe_does_not_know_its_length(files, size):
    samples = np.zeros(32_000, "<i2").tobytes()
    header = b"RIFF" + size.to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0" + bytes.fromhex("803e0000007d0000")
    assert warnings_of(header + b"\x02\0\x10\0data" + size.to_bytes(4, "little") + samples) == ()


@pytest.mark.parametrize(
    ("name", "junk"),
    [
        ("mp3", b"TAG" + bytes(125)),
        ("mp3", bytes(5000)),
        ("mp3 without a header", bytes(5000)),
        pytest.param(
            *("flac", b"TAG" + bytes(125)),
            marks=pytest.mark.skipif(av.ffmpeg_version_info == "8.1.1", reason="this FFmpeg decodes the tag as audio"),
        ),
        ("wav", b"LIST\x0a\0\0\0" + bytes(10)),
        ("m4a", bytes(1000)),
    ],
)
def test_tags_and_padding_are_no_damage(files, name, junk):
    assert warnings_of(files[name] + junk) == ()
    assert load_waveform(files[name] + junk).duration_s == pytest.approx(4, abs=0.05)


def test_joined_mp3_files(files):
    assert warnings_of(2 * files["mp3 without a header"]) == ()


def test_holes_are_losses_in_transmissions_only():
    for format, codec in (("matroska", "aac"), ("mp4", "aac")):
        assert warnings_of(encode(format, codec, clicks(), gap=(1.5, 1.0))) == ()
    assert warnings_of(encode("mpegts", "aac", clicks(), gap=(1.5, 1.0)))[0].startswith("1.0 of 5.0 s are missing")


def test_a_jump_of_the_timestamps_is_reported_and_ignored():
    data = encode("matroska", "aac", clicks(), gap=(1.5, 20_000.0))
    assert warnings_of(data) == ("its timestamps jump by 2e+04 s, which was ignored; later times may be wrong",)
    with pytest.warns(RecordingWarning):
        assert load_waveform(data).duration_s == pytest.approx(4, abs=0.05)


def test_the_stream_warns_at_its_end(files):
    data = files["flac"][: len(files["flac"]) // 2]
    with pytest.warns(RecordingWarning, match=r"source \(bytes\): \S+ of 4.0 s are missing"):
        list(stream_samples(SoundFile(data)))
    found = []
    list(stream_samples(SoundFile(data), warnings=found))
    assert len(found) == 1


def test_a_link_that_cannot_be_decoded(files):
    link = encode("ogg", "flac", clicks(1), rate=48_000)
    broken = link.replace(b"fLaC", b"fXaC")
    assert warnings_of(link + broken)[-1] == "link 2 of the chained Ogg file cannot be decoded"
