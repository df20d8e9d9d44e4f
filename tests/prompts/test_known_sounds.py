"""The decision whether a recording is known: measurements and regression by hand, and the bundled model's decision."""

import math

import numpy as np
import pytest
import torch

from photism import AudioPromptEncoder, InputError, Waveform, load_waveform
from photism.hub import bundled_model
from photism.prompts.known_sounds import MEASUREMENTS, KnownSounds, PhonemeMeter, edit_distance, term_names, terms

RATE = 16_000


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ([], [], 0),
        ([1, 2], [], 2),
        ([], [1], 1),
        ([1, 2, 3], [1, 3], 1),
        ([1, 2, 3], [3, 2, 1], 2),
        ([1, 1], [1, 2], 1),
    ],
)
def test_edits_by_hand(one, other, edits):
    assert edit_distance(one, other) == edits


def likely(*symbols):
    """Return logits (f, 3) whose most likely symbols have a probability of .8, and the others of .1."""
    logits = torch.full((len(symbols), 3), math.log(0.1))
    logits[range(len(symbols)), list(symbols)] = math.log(0.8)
    return logits


def test_measurements_by_hand():
    meter = PhonemeMeter()
    meter.add(likely(0, 1, 1, 0, 1, 2))  # phonemes 1, 1, 2; 2 of 6 frames are blank
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1))
    gain = 4 * math.log(8)  # of the four frames with speech over blanks
    expected = [0.7, 1 / 3, entropy, math.log(2), math.log1p(gain - 5), 6 * math.log(0.8) / 5, 4 / 6]
    assert meter.measure(0.7, 5.0, [1, 2]) == pytest.approx(expected, rel=1e-5)
    assert meter.measure(0.7, 50.0, [1, 2])[4] == 0  # a bias can make a pronunciation the most likely path


@pytest.mark.parametrize("frames", [1, 3])
def test_blocks_are_measured_as_the_whole(frames):
    logits = torch.cat([likely(1, 1, 0, 2), likely(2, 0, 0, 1)])
    whole, blocks = PhonemeMeter(), PhonemeMeter()
    whole.add(logits)
    for block in logits.split(frames):
        blocks.add(block)
    assert blocks.measure(0.5, 0.0, [1, 2, 1]) == pytest.approx(whole.measure(0.5, 0.0, [1, 2, 1]))


@pytest.fixture
def regression():
    coefficients = [0.0] * len(term_names())
    coefficients[0] = 2.0  # weight
    coefficients[term_names().index("weight * edits")] = 3.0
    return KnownSounds(((0.0, 1.0),) * len(MEASUREMENTS), tuple(coefficients), -1.0)


def test_log_odds_by_hand(regression):
    values = torch.zeros(2, len(MEASUREMENTS))
    values[0, 0], values[0, 1] = 1.0, 0.75  # scaled: 1 and .5
    values[1, 0], values[1, 1] = 9.0, 0.5  # clipped to 1, and 0
    assert regression.log_odds(values).tolist() == [2 + 3 * 0.5 - 1, 2 - 1]
    assert terms(values, regression.ranges).shape == (2, len(term_names())) == (2, 35)


def test_a_configuration_is_read_as_it_was_written(regression):
    assert KnownSounds.from_config(regression.as_config()) == regression


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": {}}, "damaged: KeyError"),
        ({"coefficients": 5}, "damaged: TypeError"),
        ({"intercept": "high"}, "damaged: ValueError"),
        ({"intercept": math.nan}, "must have finite numbers and ascending ranges"),
        ({"ranges": dict.fromkeys(MEASUREMENTS, (1, 1))}, "must have finite numbers and ascending ranges"),
    ],
)
def test_a_damaged_configuration_is_refused(regression, change, message):
    with pytest.raises(InputError, match=message):
        KnownSounds.from_config(regression.as_config() | change)


@pytest.fixture(scope="module")
def encoder():
    return AudioPromptEncoder.from_pretrained(bundled_model()).eval()


def test_the_bundled_model_knows_its_examples(encoder):
    paths = sorted((bundled_model() / "examples").glob("*.ogg"))
    together = encoder.encode(paths)
    assert together.known == (True,) * len(paths)
    assert encoder.encode(paths, batch_size=1).known == together.known
    quiet = [Waveform(load_waveform(path).samples * np.float32(0.03)) for path in paths]  # -30 dB
    assert encoder.encode(quiet).known == together.known


def test_the_bundled_model_does_not_know_noise_tones_and_silence(encoder):
    draw, time_s = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    noise = draw.standard_normal(2 * RATE)
    unknown = {
        "white noise": 0.1 * noise,
        "brown noise": np.cumsum(noise) / np.abs(np.cumsum(noise)).max(),
        "a tone": 0.3 * np.sin(2 * np.pi * 440 * time_s),
        "a chord": sum(0.1 * np.sin(2 * np.pi * hertz * time_s) for hertz in (220, 277, 330)),
        "a sweep": 0.3 * np.sin(2 * np.pi * 100 * 50**time_s / math.log(50)),
        "silence": np.zeros(RATE),
        "dither": np.round(draw.triangular(-1, 0, 1, RATE)) / 2**15,
    }
    waveforms = [Waveform(samples.astype(np.float32)) for samples in unknown.values()]
    assert dict(zip(unknown, encoder.encode(waveforms).known, strict=True)) == dict.fromkeys(unknown, False)
