"""Audio files that are written can be read again, with their tags."""

import numpy as np
import pytest

from photism import InputError
from photism.audio.original import load_original
from photism.audio.waveform import load_waveform
from photism.audio.writing import (
    CODECS,
    WAV_CODECS,
    check_audio_target,
    encode_waveform,
    read_tags,
    write_waveform,
)

TONE = (np.sin(np.arange(20_011) * 0.1) * 0.5).astype(np.float32)
ABOUT = {"seed": 7, "text": "räin", "score": None}


@pytest.mark.parametrize("suffix", CODECS)
def test_a_written_file_can_be_read(tmp_path, suffix):
    path = tmp_path / f"tone{suffix}"
    write_waveform(TONE, path, sampling_rate=16_000, title="A tone", about=ABOUT)
    samples = load_waveform(path).samples
    if suffix in (".wav", ".flac"):
        assert len(samples) == len(TONE)
        assert np.abs(samples - TONE).max() <= 0.5 / 32_768
    else:
        assert abs(len(samples) - len(TONE)) < 3000
        assert samples[4000:16_000].std() == pytest.approx(TONE.std(), rel=0.05)
    assert read_tags(path) == {"seed": 7, "text": "räin"}
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", CODECS)
def test_encoded_bytes_are_those_of_the_file(tmp_path, suffix):
    path = tmp_path / f"tone{suffix}"
    arguments = {"sampling_rate": 16_000, "title": "A tone", "about": ABOUT}
    write_waveform(TONE, path, **arguments)
    encoded = encode_waveform(TONE, suffix, **arguments)
    if suffix == ".ogg":  # whose stream has a random serial number
        encoded_path = tmp_path / "encoded.ogg"
        encoded_path.write_bytes(encoded)
        assert read_tags(encoded_path) == {"seed": 7, "text": "räin"}
        assert np.array_equal(load_waveform(encoded).samples, load_waveform(path).samples)
    else:
        assert encoded == path.read_bytes()


def test_aac_is_encoded_without_tags():
    found = load_original(encode_waveform(TONE, ".aac", sampling_rate=16_000, title="A tone", about=ABOUT))
    assert found.sampling_rate == 16_000
    assert found.samples[:, 4000:16_000].std() == pytest.approx(TONE.std(), rel=0.05)


def test_encoded_samples_must_be_finite():
    with pytest.raises(InputError, match=r"^flac was not written: samples must be finite"):
        encode_waveform(np.full(400, np.nan, np.float32), ".flac", sampling_rate=16_000, title="", about={})


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_type", WAV_CODECS)
def test_wav_files_hold_samples_exactly(tmp_path, channels, sample_type):
    noise = np.random.default_rng(0).standard_normal((channels, 70_000)) * 0.2
    if sample_type.startswith("int"):
        scale = 2.0 ** (int(sample_type.removeprefix("int")) - 1)
        noise = np.rint(noise * scale) / scale
    samples = noise.astype(np.float32) if sample_type == "float32" else noise
    for suffix in (".wav", *([".flac"] if sample_type in ("int16", "int24") else [])):
        path = tmp_path / f"noise{suffix}"
        write_waveform(samples, path, sampling_rate=44_100, title="", about={}, sample_type=sample_type)
        found = load_original(path)
        assert (found.sampling_rate, found.sample_type) == (44_100, sample_type)
        assert np.array_equal(found.scaled, samples)


@pytest.mark.parametrize(("suffix", "rate"), [(".ogg", 48_000), (".mp3", 44_100)])
def test_lossy_files_have_the_next_higher_rate(tmp_path, suffix, rate):
    samples = np.stack([TONE, 0.5 * TONE])
    write_waveform(samples, tmp_path / f"a{suffix}", sampling_rate=44_100, title="", about={})
    found = load_original(tmp_path / f"a{suffix}")
    assert (found.sampling_rate, len(found.samples)) == (rate, 2)
    assert found.samples.shape[1] / rate == pytest.approx(len(TONE) / 44_100, abs=0.1)


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    path = tmp_path / "loud.wav"
    write_waveform(np.array([2.0, -2.0] * 400, np.float32), path, sampling_rate=16_000, title="", about={})
    assert np.abs(load_waveform(path).samples).max() <= 1


def test_samples_that_are_not_finite_are_not_written(tmp_path):
    samples = np.array([0.0, np.nan] * 400, np.float32)
    with pytest.raises(InputError, match=r"a.wav was not written: samples must be finite; choose another dtype"):
        write_waveform(samples, tmp_path / "a.wav", sampling_rate=16_000, title="", about={})
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("photism.audio.writing._encode", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_waveform(TONE, tmp_path / "a.wav", sampling_rate=16_000, title="", about={})
    assert not list(tmp_path.iterdir())


def test_files_of_other_programs_have_no_metadata(tmp_path, sounds):
    assert read_tags(sounds[0]) == {}
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    with pytest.raises(InputError, match=r"bad.wav: not a readable audio file"):
        read_tags(bad)


def test_targets_that_cannot_be_written_are_rejected(tmp_path):
    for path, message in (
        (tmp_path / "a.aac", r"-o must be a file that ends in \.wav, \.flac, \.ogg or \.mp3, or a folder"),
        (tmp_path / "none/a.wav", "-o: the folder .*none does not exist; create it"),
    ):
        with pytest.raises(InputError, match=message):
            check_audio_target(path, "-o", force=True)
    (tmp_path / "a.wav").touch()
    with pytest.raises(InputError, match=r"a.wav exists; give another name with -o, or --force to overwrite it"):
        check_audio_target(tmp_path / "a.wav", "-o", force=False)
    check_audio_target(tmp_path / "a.wav", "-o", force=True)


def test_a_folder_that_is_not_writable(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # a superuser may write anywhere
    with pytest.raises(InputError, match=r"-o: the folder .* is not writable; choose another one"):
        check_audio_target(tmp_path / "a.wav", "-o", force=False)
