"""Waveform, and load_waveform with samples in memory: a correct result, or one clear error."""

import math
import pickle
import wave
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor

from photism import InputError
from photism.audio.waveform import SAMPLING_RATE, Waveform, load_waveform


def sine(hertz, *, rate=SAMPLING_RATE, seconds=1.0, gain=0.5):
    return (gain * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def frequency(waveform):
    """Return the loudest frequency in Hz, to the nearest bin."""
    spectrum = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform.samples))))
    return spectrum.argmax() / waveform.duration_s


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLING_RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


TONE = sine(440)


class TestWaveform:
    def test_duration(self):
        assert Waveform(np.zeros(24_000, np.float32)).duration_s == 1.5

    def test_the_shortest_recording(self):
        assert len(Waveform(np.zeros(400, np.float32)).samples) == 400
        with pytest.raises(InputError, match=r"at least 400 \(25 ms at 16 kHz\), not 399; give a longer recording"):
            Waveform(np.zeros(399, np.float32))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value):
        samples = np.zeros(1000, np.float32)
        samples[500] = value
        with pytest.raises(InputError, match="samples must be finite, but contain NaN or infinity"):
            Waveform(samples)

    def test_out_of_range(self):
        samples = np.zeros(1000, np.float32)
        samples[500] = -(2.0**31)
        assert Waveform(samples).samples[500] == -(2.0**31)
        samples[500] = np.float32(-2.2e9)
        with pytest.raises(InputError, match=r"samples are out of range: .* but reach 2\.2e\+09; repair the recording"):
            Waveform(samples)

    @pytest.mark.parametrize(
        ("samples", "given"),
        [
            (np.zeros((2, 1000), np.float32), r"\(2, 1000\) float32"),
            (np.zeros(1000), r"\(1000,\) float64"),
            ([0.0] * 1000, "list"),
        ],
    )
    def test_other_types(self, samples, given):
        with pytest.raises(InputError, match=rf"\(T,\) float32 array at 16 kHz, not {given}; load_waveform"):
            Waveform(samples)

    def test_frozen_and_pickled(self):
        waveform = Waveform(TONE)
        with pytest.raises(AttributeError):
            waveform.samples = TONE  # pyright: ignore
        assert np.array_equal(pickle.loads(pickle.dumps(waveform)).samples, TONE)

    def test_a_waveform_is_returned_unchanged(self):
        waveform = Waveform(TONE)
        assert load_waveform(waveform) is waveform


class TestArrays:
    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, list, tuple])
    def test_all_forms_of_an_array_give_the_same_samples(self, convert):
        assert np.array_equal(load_waveform(convert(TONE), sampling_rate=16_000).samples, TONE)

    @pytest.mark.parametrize(
        ("samples", "expected"),
        [
            (np.full(400, -32768, np.int16), -1.0),
            (np.full(400, 16384, ">i2"), 0.5),
            (np.full(400, -(2**31), np.int32), -1.0),
            (np.full(400, 0, np.uint8), -1.0),
            (np.full(400, 128, np.uint8), 0.0),
            (np.full(400, 0.25, np.float16), 0.25),
            (np.full(400, 0.25, np.float64), 0.25),
            (torch.full((400,), 0.25, dtype=torch.bfloat16), 0.25),
            (torch.full((400,), 16384, dtype=torch.int16), 0.5),
            (torch.full((400,), 0.25, requires_grad=True), 0.25),
        ],
    )
    def test_types_are_scaled(self, samples, expected):
        waveform = load_waveform(samples, sampling_rate=16_000)
        assert waveform.samples.dtype == np.float32
        assert (waveform.samples == expected).all()

    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, np.ndarray.tolist])
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("channels", [1, 2, 8])
    def test_channels_on_either_axis_are_averaged(self, convert, axis, channels):
        recording = np.stack([TONE * (channel + 1) for channel in range(channels)], axis=axis)
        waveform = load_waveform(convert(recording), sampling_rate=16_000)
        np.testing.assert_allclose(waveform.samples, TONE * (channels + 1) / 2, rtol=1e-5, atol=1e-7)

    def test_the_reference_loses_the_second_channel(self):
        left, right = torch.from_numpy(sine(440)), torch.from_numpy(sine(1000))
        extractor = SeamlessM4TFeatureExtractor()
        both, one = (
            extractor(recording, sampling_rate=16_000, return_tensors="pt")["input_features"]
            for recording in (torch.stack([left, right]), left)
        )
        assert torch.equal(both, one)
        waveform = load_waveform(torch.stack([left, right]), sampling_rate=16_000)
        np.testing.assert_allclose(waveform.samples, ((left + right) / 2).numpy(), atol=1e-6)

    @pytest.mark.parametrize("shape", [(2, 2), (8, 8), (9, 400), (400, 9), (400, 400)])
    def test_ambiguous_shapes_are_rejected(self, shape):
        with pytest.raises(InputError, match=r"is ambiguous: .* give channel_axis=0 or channel_axis=1"):
            load_waveform(np.zeros(shape, np.float32), sampling_rate=16_000)

    def test_channel_axis(self):
        recording = np.tile(TONE[:500], (600, 1))
        np.testing.assert_allclose(
            load_waveform(recording, sampling_rate=16_000, channel_axis=0).samples, TONE[:500], atol=1e-5
        )
        assert len(load_waveform(recording, sampling_rate=16_000, channel_axis=1).samples) == 600
        for axis in (2, -1):
            with pytest.raises(InputError, match=rf"channel_axis={axis} is not one recording: .* channel_axis 0 or 1"):
                load_waveform(recording, sampling_rate=16_000, channel_axis=axis)

    @pytest.mark.parametrize(
        ("samples", "words"),
        [
            ([], r"source float64 \(0,\) has no samples"),
            (np.zeros((0, 1000)), "has no samples"),
            (np.zeros(399), r"source float64 \(399,\): samples must be at least 400 .* not 399"),
            (np.zeros((1, 2, 1000)), r"source float64 \(1, 2, 1000\) .* is not one recording"),
            (np.zeros(()), "has no samples|is not one recording"),
            (np.full(1000, np.nan), "samples must be finite"),
            (np.full(1000, np.inf), "samples must be finite"),
            (np.full(1000, 1e300), "samples must be finite"),
            (np.full(1000, 1e30), "samples are out of range"),
            (np.zeros(1000, np.int64), r"must be floats within ±1, or uint8, int16 or int32"),
            (np.zeros(1000, bool), "source bool .* must be floats"),
            (np.zeros(1000, complex), "source complex128 .* must be floats"),
            (np.full(1000, None), "source object .* must be floats"),
            (["a.wav", "b.wav"], "source <U5 .* must be floats"),
            ([[0.0], [0.0, 1.0]], "source as a list must be samples, or channels of equal length; give one recording"),
        ],
    )
    @pytest.mark.filterwarnings("error")
    def test_bad_arrays(self, samples, words):
        with pytest.raises(InputError, match=words):
            load_waveform(samples, sampling_rate=16_000)

    @pytest.mark.parametrize("source", [None, 3, object()])
    def test_other_types(self, source):
        with pytest.raises(InputError, match=rf"source \({type(source).__name__}\) must be a path, URL, bytes"):
            load_waveform(source)

    def test_missing_rate(self):
        with pytest.raises(
            InputError, match=r'sampling_rate is missing.*; give \{"array": samples, "sampling_rate": 16000\}'
        ):
            load_waveform(TONE)

    @pytest.mark.parametrize("rate", [0, -16_000, 999, 768_001, math.nan, math.inf, True])
    def test_absurd_rates(self, rate):
        with pytest.raises(InputError, match="sampling_rate must be 1000 to 768000 Hz, not"):
            load_waveform(TONE, sampling_rate=rate)

    @pytest.mark.parametrize("rate", ["fast", [16_000]])
    def test_a_rate_that_is_not_a_number(self, rate):
        with pytest.raises(InputError, match="sampling_rate must be a number in Hz, not"):
            load_waveform(TONE, sampling_rate=rate)

    @pytest.mark.parametrize("rate", [1000, 8000, 44_100, 48_000.0, np.int64(768_000), torch.tensor(22_050)])
    def test_rates(self, rate):
        waveform = load_waveform(sine(440, rate=int(rate)), sampling_rate=rate)
        assert waveform.duration_s == pytest.approx(1, abs=1e-3)
        assert frequency(waveform) == pytest.approx(440, abs=1)

    def test_max_duration(self):
        assert load_waveform(TONE, sampling_rate=16_000, max_duration_s=1).duration_s == 1
        with pytest.raises(InputError, match=r"longer than max_duration_s=0.5"):
            load_waveform(TONE, sampling_rate=16_000, max_duration_s=0.5)
        with pytest.raises(InputError, match=r"longer than max_duration_s=1"):
            load_waveform(np.zeros(8001), sampling_rate=8000, max_duration_s=1)


class TestMappings:
    @pytest.mark.parametrize("key", ["array", "raw"])
    def test_the_callers_mapping_is_unchanged(self, key):
        sound = {key: sine(440, rate=8000), "sampling_rate": 8000, "path": None}
        before = dict(sound)
        assert frequency(load_waveform(sound)) == pytest.approx(440, abs=1)
        assert sound == before

    @pytest.mark.parametrize(
        "sound",
        [
            {"array": TONE},
            {"sampling_rate": 16_000},
            {"array": TONE, "path": "a.wav"},
            {"array": None, "sampling_rate": 16_000},
            {"audio": {"bytes": None, "path": None}},
            {},
        ],
    )
    def test_incomplete(self, sound):
        with pytest.raises(InputError, match='source as a mapping must have "array" or "raw" and its own'):
            load_waveform(sound)

    @pytest.mark.parametrize("key", ["array", "raw"])
    @pytest.mark.parametrize("name", ["tone.wav", "gone.wav"])
    def test_samples_take_precedence_over_the_file_they_were_read_from(self, tmp_path, monkeypatch, key, name):
        monkeypatch.chdir(tmp_path)
        write_wav(tmp_path / "tone.wav", -TONE)
        decoded = {"path": name, "bytes": b"no sound", key: TONE, "sampling_rate": 16_000}
        for source in (decoded, {"path": name, "audio": decoded}):
            assert np.array_equal(load_waveform(source).samples, TONE)

    def test_rows_and_features_of_datasets(self, tmp_path):
        path = tmp_path / "tone.wav"
        write_wav(path, TONE)
        samples = load_waveform(path).samples
        for feature in ({"bytes": path.read_bytes(), "path": "gone.wav"}, {"bytes": None, "path": str(path)}):
            for source in (feature, {"audio": feature, "path": "gone.wav"}):
                assert np.array_equal(load_waveform(source).samples, samples)

    def test_a_decoder_of_torchcodec(self):
        class Decoder:
            def get_all_samples(self):
                return SimpleNamespace(data=torch.from_numpy(TONE)[None], sample_rate=16_000)

        for source in (Decoder(), {"audio": Decoder()}):
            assert np.array_equal(load_waveform(source).samples, TONE)

    def test_a_rate_of_none(self):
        with pytest.raises(InputError, match="sampling_rate is missing"):
            load_waveform({"array": TONE, "sampling_rate": None})

    def test_two_rates(self):
        with pytest.raises(InputError, match="and no other rate may be given"):
            load_waveform({"array": TONE, "sampling_rate": 16_000}, sampling_rate=8000)
