"""log_mel compared with transformers' SeamlessM4TFeatureExtractor: the same features, without its faults."""

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor
from transformers.audio_utils import mel_filter_bank, window_function

from photism import InputError
from photism.audio.log_mel import _mel_halves, _povey_window, log_mel, mel_filters
from photism.audio.waveform import LARGEST_SAMPLE, Waveform

RATE = 16_000
CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-5}
LENGTHS = (16_000, 3_000, 41_234, 16_080, 7_000)  # 98, 17, 256, 99 and 42 frames: every remainder of 4 but that of 3


def noise(length, seed=0, gain=0.1):
    return (np.random.default_rng(seed).standard_normal(length) * gain).astype(np.float32)


def sine(hertz, length=RATE):
    return np.sin(2 * np.pi * hertz * np.arange(length) / RATE).astype(np.float32)


def reference(waveforms, *, stride=2, padding_value=0.0, **kwargs):
    extractor = SeamlessM4TFeatureExtractor(stride=stride, padding_value=padding_value)
    return extractor(waveforms, sampling_rate=RATE, pad_to_multiple_of=stride, return_tensors="pt", **kwargs)


@pytest.fixture
def recordings():
    return [noise(length, seed) for seed, length in enumerate(LENGTHS)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("padding_value", [0.0, 1.0])
def test_batch_equals_the_reference(recordings, dtype, stride, padding_value):
    expected = reference(recordings, stride=stride, padding_value=padding_value)
    features, mask = log_mel(recordings, stride=stride, padding_value=padding_value, dtype=dtype)
    torch.testing.assert_close(features, expected["input_features"], atol=TOLERANCE[dtype], rtol=0)
    assert features.dtype == torch.float32
    assert mask.dtype == torch.int64
    if stride == 2:
        assert torch.equal(mask, expected["attention_mask"].long())


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_unnormalized_equals_the_reference(recordings, dtype):
    expected = reference(recordings, do_normalize_per_mel_bins=False)["input_features"]
    features = log_mel(recordings, normalize=False, dtype=dtype).input_features
    torch.testing.assert_close(features, expected, atol=5 * TOLERANCE[dtype], rtol=0)


def test_window_and_filters_equal_the_reference():
    filters = mel_filter_bank(257, 80, 20, 8000, RATE, mel_scale="kaldi", triangularize_in_mel_space=True)
    window = window_function(400, "povey", periodic=False)
    np.testing.assert_allclose(mel_filters(80), filters, atol=1e-12, rtol=0)
    window = torch.from_numpy(np.pad(2.0**15 * window, (0, 112)))  # scaled to 16-bit integers, padded to the FFT
    torch.testing.assert_close(_povey_window(CPU, torch.float64), window, atol=0, rtol=0)


def test_empty_bins_need_float64():
    """Most bins of a fading sine contain only rounding errors of the samples and of the arithmetic."""
    fading = (sine(440) * np.linspace(1, 0, RATE)).astype(np.float32)
    expected = reference([fading])["input_features"]
    torch.testing.assert_close(log_mel([fading]).input_features, expected, atol=1e-5, rtol=0)
    off = (log_mel([fading], dtype=torch.float32).input_features - expected).abs().max()
    assert 1e-3 < off < 0.5


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("stride", [2, 4])
def test_features_do_not_depend_on_the_batch(dtype, stride):
    recordings = [noise(length, seed) for seed, length in enumerate((*LENGTHS, 400, 560, 999))]
    batch = log_mel(recordings, stride=stride, padding_value=7.0, dtype=dtype)
    for item, recording in enumerate(recordings):
        features, mask = log_mel([recording], stride=stride, padding_value=7.0, dtype=dtype)
        tokens = features.shape[1]
        torch.testing.assert_close(batch.input_features[item, :tokens], features[0], atol=2e-6, rtol=0)
        assert torch.equal(batch.attention_mask[item, :tokens], mask[0])
        assert (batch.input_features[item, tokens:] == 7.0).all()
        assert not batch.attention_mask[item, tokens:].any()


def test_long_recordings_equal_the_reference_across_blocks():
    recordings = [noise(30 * RATE), noise(25 * RATE, seed=1)]
    expected = reference(recordings)["input_features"]
    torch.testing.assert_close(log_mel(recordings).input_features, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 2, 5, 40])
def test_features_do_not_depend_on_the_length_of_blocks(frames, monkeypatch):
    recordings = [noise(length, seed) for seed, length in enumerate((*LENGTHS, 400, 560, 999))]
    expected = log_mel(recordings).input_features
    monkeypatch.setattr("photism.audio.log_mel.BLOCK_FRAMES", frames)
    monkeypatch.setattr("photism.audio.log_mel.NORMALIZED_AT_ONCE", 7 * frames)
    torch.testing.assert_close(log_mel(recordings).input_features, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("samples", "stride", "tokens", "valid"),
    [
        (400, 2, 1, 1),  # one frame: repeated
        (559, 2, 1, 1),
        (560, 2, 1, 1),  # two frames
        (720, 2, 2, 1),  # three: the last token is half full
        (400, 4, 1, 1),
        (880, 4, 1, 1),  # four frames
        (1200, 4, 2, 1),  # six: the reference, at this stride, counts the half as a whole
    ],
)
def test_tokens_and_mask(samples, stride, tokens, valid):
    features, mask = log_mel([noise(samples)], stride=stride)
    assert features.shape == (1, tokens, 80 * stride)
    assert mask.sum() == valid
    assert features.isfinite().all()


def test_the_reference_masks_by_the_second_frame_for_any_stride():
    assert reference([noise(1200)], stride=4)["attention_mask"].tolist() == [[1, 1]]
    assert log_mel([noise(1200)], stride=4).attention_mask.tolist() == [[1, 0]]


@pytest.mark.filterwarnings("ignore:Degrees of freedom|invalid value:RuntimeWarning")
@pytest.mark.parametrize("samples", [400, 559])
def test_one_frame_for_which_the_reference_returns_nan(samples):
    assert reference([noise(samples)])["input_features"].isnan().any()
    assert (log_mel([noise(samples)]).input_features == 0).all()
    raw = log_mel([noise(samples)], normalize=False).input_features
    expected = reference([noise(samples)], do_normalize_per_mel_bins=False)["input_features"][..., :80]
    torch.testing.assert_close(raw, expected.repeat(1, 1, 2), atol=5e-5, rtol=0)  # the frame, twice


def test_a_recording_shorter_than_a_token_repeats_its_last_frame():
    frames = log_mel([noise(720)], stride=1).input_features[0]  # 3 of them
    token = log_mel([noise(720)], stride=4).input_features[0].view(4, 80)
    assert torch.equal(token, frames[[0, 1, 2, 2]])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_silence_is_zero_after_normalization(dtype):
    silence = np.zeros(RATE, np.float32)
    assert (log_mel([silence], dtype=dtype).input_features[0, :-1] == 0).all()
    floor = np.log(2.0**-23)
    assert log_mel([silence], dtype=dtype, normalize=False).input_features.min() == pytest.approx(floor)


def test_integers_of_32_bits_as_floats_give_the_features_of_samples_within_1():
    samples = noise(RATE)
    samples /= np.abs(samples).max()
    features, _ = log_mel([samples, samples * np.float32(LARGEST_SAMPLE)])
    torch.testing.assert_close(features[1], features[0], atol=1e-3, rtol=0)


def test_full_scale_is_finite_and_normalized():
    square = np.sign(sine(100)).astype(np.float32) * np.repeat(np.float32([1, -1]), RATE // 2)
    features, mask = log_mel([square], stride=1)
    assert features.isfinite().all()
    assert mask.all()
    torch.testing.assert_close(features[0].mean(0), torch.zeros(80), atol=1e-5, rtol=0)


def test_features_do_not_depend_on_gain_after_normalization():
    loud = noise(RATE)
    torch.testing.assert_close(log_mel([loud]).input_features, log_mel([loud / 8]).input_features, atol=1e-5, rtol=0)


@pytest.mark.parametrize("hertz", [250, 440, 1000, 2500, 7000])
def test_a_tone_lands_in_its_mel_bin(hertz):
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)
    nearest = np.abs(edges[1:-1] - 1127 * np.log1p(hertz / 700)).argmin()
    loudest = log_mel([sine(hertz)], stride=1, normalize=False).input_features[0].argmax(-1)
    # Below 500 Hz the FFT bins (31 Hz) are as wide as those of the mel scale: a neighbour may be louder.
    assert (loudest - nearest).abs().max() <= (1 if hertz < 500 else 0)


def test_num_mel_bins():
    extractor = SeamlessM4TFeatureExtractor(feature_size=40, num_mel_bins=40)
    expected = extractor([noise(RATE)], sampling_rate=RATE, return_tensors="pt")["input_features"]
    features = log_mel([noise(RATE)], num_mel_bins=40).input_features
    assert features.shape == (1, 49, 80)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def test_waveforms_arrays_and_tensors_give_the_same_features():
    samples = noise(RATE)
    features = log_mel([Waveform(samples), samples, torch.from_numpy(samples)]).input_features
    assert torch.equal(features[0], features[1])
    assert torch.equal(features[0], features[2])


def test_gradients_do_not_depend_on_the_length_of_blocks(monkeypatch):
    found = []
    for frames in (192, 3):
        monkeypatch.setattr("photism.audio.log_mel.BLOCK_FRAMES", frames)
        recordings = [torch.from_numpy(noise(length, length)).requires_grad_() for length in (400, 2000, 5000)]
        log_mel(recordings).input_features.square().mul(torch.linspace(0, 1, 160)).sum().backward()
        found.append([recording.grad for recording in recordings])
    assert found[0][2].abs().max() > 0
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-4)


def test_gradients_flow_even_after_inference_mode():
    _mel_halves.cache_clear()
    _povey_window.cache_clear()
    with torch.inference_mode():
        log_mel([noise(1000)])
    samples = torch.from_numpy(noise(720)).requires_grad_()
    log_mel([samples], stride=4).input_features.pow(3).sum().backward()
    assert samples.grad is not None
    assert samples.grad.isfinite().all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 1e-2)], ids=str)
def test_device_of_the_input_is_the_device_of_the_output(recordings, device, dtype, tolerance):
    expected = log_mel(recordings)
    features, mask = log_mel([torch.from_numpy(recording).to(device) for recording in recordings], dtype=dtype)
    assert features.device.type == mask.device.type == device.type
    torch.testing.assert_close(features.cpu(), expected.input_features, atol=tolerance, rtol=0)
    assert torch.equal(mask.cpu(), expected.attention_mask)
    assert log_mel(recordings, device=device).attention_mask.device.type == device.type


def test_one_nan_spoils_the_reference_and_is_rejected_here():
    with_nan = noise(RATE)
    with_nan[5000] = np.nan
    assert reference([with_nan])["input_features"].isnan().all(dim=(0, 1)).any()
    for samples in (with_nan, torch.from_numpy(with_nan), noise(RATE) + np.float32(np.inf), noise(RATE) * 1e30):
        with pytest.raises(
            InputError, match=r"waveforms\[1\] must hold finite samples within ±1, or at most ±2³¹, but"
        ):
            log_mel([noise(RATE), samples])


@pytest.mark.parametrize(
    ("waveforms", "words"),
    [
        ([noise(399)], r"waveforms\[0\] must have at least 400 samples \(25 ms\), not 399"),
        ([noise(500), np.zeros(0, np.float32)], r"waveforms\[1\] must have at least 400 samples \(25 ms\), not 0"),
        ([], "sequence of at least one recording"),
        (noise(RATE), r"give \[waveform\] for a single one"),
        (torch.zeros(2, RATE), r"give \[waveform\] for a single one"),
        (Waveform(noise(RATE)), r"give \[waveform\] for a single one"),
        ([np.zeros((2, RATE), np.float32)], r"a Waveform or \(T,\) floats within ±1 at 16 kHz, not \(2, 16000\)"),
        ([np.zeros(RATE, np.int16)], r"not \(16000,\) int16; load_waveform converts"),
        ([torch.zeros(RATE, dtype=torch.int16)], r"not \(16000,\) torch.int16; load_waveform converts"),
        (["tone.wav"], "not str; load_waveform converts"),
    ],
)
def test_messages_for_invalid_input(waveforms, words):
    with pytest.raises(InputError, match=words):
        log_mel(waveforms)


def test_half_precision_arithmetic_is_rejected():
    with pytest.raises(InputError, match=r"dtype must be torch.float32 or torch.float64, not torch.float16"):
        log_mel([noise(RATE)], dtype=torch.float16)
