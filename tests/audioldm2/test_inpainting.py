"""Sound that starts from a recording: spectrogram, strength, inpainting of a span, continuation."""

import numpy as np
import pytest
import torch

from photism import InputError
from photism.audioldm2.inpainting import read_source
from photism.audioldm2.mel_vae import log_mel, normalize_waveform
from photism.audioldm2.settings import SoundSettings
from tests.audioldm2.peers import apart

RATE = 16_000


@pytest.fixture(scope="module")
def recording():
    noise = np.random.default_rng(0).standard_normal(RATE)
    return (noise * np.hanning(RATE) * 0.02 + 0.001).astype(np.float32)


def generate(ours, recording, **settings):
    sound = {"array": recording, "sampling_rate": RATE}
    return ours("rain", audio=sound, num_inference_steps=8, **{"seed": 0, **settings}).audios[0]


def test_the_spectrogram_by_its_definition(ours):
    """Compare with the formula: windowed DFT, magnitudes, Slaney's triangular filters, logarithm."""
    waveform = np.random.default_rng(0).standard_normal(3200).astype(np.float32)
    found = log_mel(torch.from_numpy(waveform)[None], ours.checkpoint)[0]
    assert found.shape == (20, 32)
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(513, 32, 0, 8000, RATE, norm="slaney", mel_scale="slaney")
    padded = np.pad(waveform.astype(np.float64), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    for frame in (0, 7, 19):
        magnitudes = np.abs(np.fft.rfft(padded[frame * 160 : frame * 160 + 1024] * window))
        expected = np.log(np.maximum(magnitudes @ filters, 1e-5))
        assert np.abs(found[frame].numpy() - expected).max() < 1e-4


def test_a_tone_lands_in_its_mel_bin_and_silence_at_the_minimum(ours):
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(3200) / RATE)[None]
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(513, 32, 0, 8000, RATE, norm="slaney", mel_scale="slaney")
    assert int(log_mel(tone, ours.checkpoint)[0, 10].argmax()) == int(filters[64].argmax())  # 1000 Hz is bin 64 of 512
    assert log_mel(torch.zeros(1, 1600), ours.checkpoint).unique().tolist() == pytest.approx([np.log(1e-5)])


def test_normalization_by_hand():
    normalized, mean, gain = normalize_waveform(torch.tensor([0.1, 0.3, 0.2]))
    assert (mean, gain) == (pytest.approx(0.2), pytest.approx(5.0))
    assert normalized.tolist() == pytest.approx([-0.5, 0.5, 0.0], abs=1e-6)
    assert normalize_waveform(torch.zeros(4))[2] == 1.0


def test_distance_from_the_recording_grows_with_strength(ours, recording):
    """Measured in latents, which no loudness is matched in."""
    start, *others = (
        generate(ours, recording, strength=each, guidance_scale=1.0, output_type="latent")
        for each in (0.125, 0.25, 0.5, 0.9)
    )
    distances = [float((each - start).abs().mean()) for each in others]
    assert distances == sorted(distances)
    assert generate(ours, recording).shape == recording.shape


def test_full_strength_does_not_depend_on_the_recording(ours, recording):
    other = np.flip(recording).copy()
    assert apart(generate(ours, recording, strength=1.0), generate(ours, other, strength=1.0)) < 1e-5
    assert apart(generate(ours, recording, strength=0.5), generate(ours, other, strength=0.5)) > 0.01


def test_strength_is_the_fraction_of_the_steps(ours, recording):
    steps = []
    sound = {"array": recording, "sampling_rate": RATE}
    for strength, count in ((0.25, 2), (0.5, 4), (1.0, 8), (None, 4)):
        steps.clear()
        ours(
            "rain", audio=sound, strength=strength, num_inference_steps=8, callback_on_step=lambda *at: steps.append(at)
        )
        assert steps == [(number + 1, count) for number in range(count)]


def test_the_sound_is_scaled_to_the_level_of_the_recording(ours, recording):
    soft, loud = (generate(ours, recording * factor) for factor in (0.1, 1.0))
    assert apart(soft * 10, loud) < 1e-3
    assert loud.std() == pytest.approx(recording.std(), rel=1e-3)


def test_samples_outside_of_the_span_do_not_change(ours, recording):
    found = generate(ours, recording, span_s=(0.4, 0.6))
    start, stop = int(0.4 * RATE), int(0.6 * RATE)
    assert found.dtype == np.float32
    assert np.array_equal(found[:start], recording[:start])
    assert np.array_equal(found[stop:], recording[stop:])
    assert np.abs(found[start:stop] - recording[start:stop]).max() > 1e-4
    fade, steps = RATE // 100, np.abs(np.diff(found))
    for edge in (start, stop):  # no click at the edges
        assert steps[edge - fade - 2 : edge + fade + 2].max() < 4 * max(
            np.abs(np.diff(recording)).max(), steps[start:stop].max()
        )
    assert apart(found, generate(ours, recording, span_s=(0.4, 0.6), seed=1)) > 1e-3


def test_a_recording_that_is_used_up_to_its_first_sound(ours, recording):
    later = np.concatenate([np.zeros(RATE, np.float32), recording])
    assert generate(ours, later, audio_length_in_s=0.5).std() > 1e-4


@pytest.fixture(scope="module")
def stereo():
    """Noise of 44.1 kHz, whose right channel is a quarter as loud: (2, T) within ±1."""
    return np.random.default_rng(0).standard_normal((2, 44_100)) * [[0.02], [0.005]]


@pytest.mark.parametrize(
    ("kind", "scale", "found_type"),
    [
        (np.int16, 2**15, np.float32),
        (np.int32, 2**31, np.float64),
        (np.float32, None, np.float32),
        (np.float64, None, np.float64),
    ],
)
def test_a_span_keeps_rate_channels_and_samples_of_the_rest(ours, stereo, kind, scale, found_type):
    stored = (stereo if scale is None else np.rint(stereo * scale)).astype(kind)
    output = ours(
        "rain",
        audio={"array": stored, "sampling_rate": 44_100},
        span_s=(0.3, 0.6),
        num_inference_steps=2,
        num_waveforms_per_prompt=2,
        seed=0,
    )
    assert (output.audios.shape, output.audios.dtype, output.sampling_rate) == ((2, 2, 44_100), found_type, 44_100)
    exact = stored if scale is None else stored.astype(np.float64) / scale
    start, stop = int(0.3 * 44_100), int(0.6 * 44_100)
    for found in output.audios:
        assert np.array_equal(found[:, :start], exact[:, :start])
        assert np.array_equal(found[:, stop:], exact[:, stop:])
        left, right = found[:, start:stop].std(1)
        assert left / right == pytest.approx(4, rel=0.1)
    assert output.waveforms[0].duration_s == 1.0
    again = ours("rain", settings=output.settings)
    assert np.array_equal(again.audios, output.audios)


def test_what_replaces_a_pause_is_as_loud_as_the_recording(ours, recording):
    pause = recording.copy()
    pause[6000:12_000] *= 1e-3
    for source, level in ((pause, pause.std()), (recording, recording[8000:11_200].std())):
        found = generate(ours, source, span_s=(0.5, 0.7))[8000:11_200]
        assert found.std() == pytest.approx(level, rel=0.1)


def test_sound_in_a_silent_recording_is_as_loud_as_the_model_makes_it(ours):
    silence = np.zeros((2, RATE), np.float32)
    output = ours(
        "rain", audio={"array": silence, "sampling_rate": RATE}, span_s=(0.2, 0.8), num_inference_steps=2, seed=0
    )
    found = output.audios[0]
    assert not found[:, : int(0.2 * RATE)].any()
    assert found[:, int(0.3 * RATE) : int(0.7 * RATE)].std() > 1e-4


def test_an_inpainted_span_depends_on_its_context(ours, recording):
    other = recording.copy()
    other[: RATE // 4] *= 0.2
    span = slice(int(0.5 * RATE), int(0.6 * RATE))
    one, two = (generate(ours, each, span_s=(0.5, 0.6))[span] for each in (recording, other))
    assert np.abs(one - two).max() > 1e-5


def test_a_span_past_the_end_continues_the_recording(ours, recording):
    found = generate(ours, recording, span_s=(1.0, 1.8))
    assert len(found) == int(1.8 * RATE)
    assert np.array_equal(found[:RATE], recording)
    assert found[RATE:].std() > 0
    assert np.abs(np.diff(found))[RATE - 2 : RATE + 160].max() < 0.1  # no click


def test_a_continuation_does_not_start_from_silence(ours):
    """Latents at the end of the recording are close to those of a longer one."""
    steady = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1

    def latents(recording, **given):
        settings = SoundSettings(audio={"array": recording, "sampling_rate": RATE}, **given)
        source = read_source(settings, ours.checkpoint, steps=8)
        with ours.models.on_device("vae") as (vae,):
            return source.encode(vae, ours.checkpoint, device=torch.device("cpu"), is_loop=False)[0, :, 20:25].mean(
                (0, 2)
            )

    whole, continued = latents(steady), latents(steady[:RATE], span_s=(1.0, 2.0))
    silent = np.concatenate([steady[:RATE], np.zeros(RATE, np.float32)])
    assert (continued - whole).abs().mean() < 0.5 * (latents(silent) - whole).abs().mean()


def test_a_recording_longer_than_a_window(ours):
    recording = np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32) * 0.1
    found = generate(ours, recording, strength=0.25)
    assert found.shape == recording.shape
    seconds = [found[start : start + RATE].std() for start in range(0, 3 * RATE, RATE)]
    assert max(seconds) < 1.5 * min(seconds)


def test_several_prompts_and_waveforms_start_from_one_recording(ours, recording):
    sound = {"array": recording, "sampling_rate": RATE}
    settings = {"num_inference_steps": 4, "audio": sound, "seed": 0}
    together = ours(["rain", "a dog"], **settings, num_waveforms_per_prompt=2, output_type="pt")
    alone = ours("rain", **settings, output_type="pt")
    assert together.audios.shape == (4, RATE)
    assert apart(together.audios[together.seeds.index(0)], alone.audios[0]) < 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 0}, "strength must be above 0 and at most 1; got 0"),
        ({"strength": 1.1}, "strength must be above 0 and at most 1; got 1.1"),
        ({"strength": 0.1}, "strength must be at least 0.125, one of 8 steps; got 0.1"),
        ({"span_s": (0.5, 0.5)}, "span_s must be two times from 0 to 3600, the second one later; got 0.5:0.5"),
        ({"span_s": (0.5, 0.5001)}, "span_s must be at least 0.01 s long; got 0.5:0.5001"),
        ({"span_s": (0.5,)}, r"span_s must be START:STOP in seconds, such as 1.5:3; got \(0.5,\)"),
        ({"span_s": (1.1, 1.2)}, "span_s must start within the recording, which is 1 s long, or at its end; got 1.1"),
        ({"span_s": (0.5, 1.5), "audio_length_in_s": 1.2}, "audio_length_in_s must reach the end of the span, 1.5"),
        (
            {"audio_length_in_s": 2.0},
            "must be at most 1, .*; to continue the recording, give the span 1:2",
        ),
        ({"span_s": (0.1, 0.2), "loop": True}, "span_s cannot be combined with loop"),
    ],
)
def test_invalid_settings_of_a_recording_are_refused(ours, recording, settings, message):
    with pytest.raises(InputError, match=message):
        generate(ours, recording, **settings)


@pytest.mark.parametrize("name", ["strength", "span_s"])
def test_strength_and_span_need_a_recording(ours, name):
    with pytest.raises(InputError, match=f"{name} needs a recording to start from"):
        ours("rain", **{name: (0.1, 0.2) if name == "span_s" else 0.5})
