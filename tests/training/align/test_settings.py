import dataclasses

import pytest

from photism.errors import InputError
from photism.prompts.losses import PUBLISHED_TEMPERATURE
from photism.training.align.settings import RUNNING, AlignSettings
from photism.training.settings import differences, read_settings, write_settings

GIVEN = {"data": "sounds", "output": "model"}


def test_yaml_and_what_goes_before_it(tmp_path):
    path = tmp_path / "align.yaml"
    path.write_text("data: sounds\noutput: model\nlearning_rate: 2e-4\nepochs: 3\nlimit: null\nsymmetric: false\n")
    settings = read_settings(AlignSettings, path, {"output": "other", "batch_size": 8})
    assert (settings.data, settings.output, settings.batch_size) == ("sounds", "other", 8)
    assert (settings.learning_rate, settings.epochs, settings.limit, settings.symmetric) == (2e-4, 3.0, None, False)


def test_what_is_written_is_read_again(tmp_path):
    settings = AlignSettings(**GIVEN, learning_rate=1e-5, clip="openai/clip", label_template="a {label}")
    write_settings(settings, tmp_path / "align.yaml")
    assert read_settings(AlignSettings, tmp_path / "align.yaml", {}) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [a", "must be YAML"),
        ("- a\n- b\n", "must be a mapping of settings"),
        ("batch: 3\n", "there is none of the name 'batch'"),
        ("batch_size: many\n", "batch_size must be of type int; got 'many'"),
        ("batch_size: 3.5\n", "batch_size must be of type int; got 3.5"),
        ("symmetric: 1\n", "symmetric must be of type bool; got 1"),
        ("learning_rate: fast\n", "learning_rate must be of type float; got 'fast'"),
        ("batch_size: null\n", "batch_size must have a value"),
    ],
)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "align.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_settings(AlignSettings, tmp_path / "align.yaml", GIVEN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": ""}, "data must be named"),
        ({"output": ""}, "output must be a folder"),
        ({"batch_size": 1}, "batch_size must be at least 2: .*; got 1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0; got 0"),
        ({"ema_decay": 1.0}, "ema_decay must be from 0 to below 1; got 1"),
        ({"layer_decay": 0.0}, "layer_decay must be above 0, at most 1; got 0"),
        ({"validation_share": 1.0}, "validation_share must be from 0 to below 1; got 1"),
        ({"padding_weight": 1.1}, "padding_weight must be from 0 to 1; got 1.1"),
        ({"contrastive_weight": 0.0, "regression_weight": 0.0}, "contrastive_weight must be above 0 where"),
        ({"precision": "fp16"}, "precision must be bf16 or fp32; got 'fp16'"),
        ({"adapter": "phonetic"}, "adapter must be conv or resampler; got 'phonetic'"),
        ({"label_template": "sound"}, "label_template must hold either"),
        ({"frozen_layers": -2}, "frozen_layers must be 0 or more, or -1; got -2"),
        ({"frozen_layers": -1, "lora_rank": 4}, "lora_rank must be 0 where the whole encoder is frozen; got 4"),
        ({"evaluate_every": 0}, "evaluate_every must be at least 1; got 0"),
    ],
)
def test_values_that_cannot_be(given, message):
    with pytest.raises(InputError, match=message):
        AlignSettings(**{**GIVEN, **given})


def test_a_resumed_training_may_run_otherwise_but_not_learn_otherwise():
    one = AlignSettings(**GIVEN)
    assert not differences(one, dataclasses.replace(one, chunk_s=3.0, pictures=0, evaluate_every=9), running=RUNNING)
    other = dataclasses.replace(one, batch_size=32, seed=4)
    assert differences(one, other, running=RUNNING) == ["batch_size: 256, 32", "seed: 0, 4"]


def test_the_temperature_starts_as_published():
    assert AlignSettings(**GIVEN).temperature == PUBLISHED_TEMPERATURE
