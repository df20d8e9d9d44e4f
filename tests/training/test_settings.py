"""Settings of the training verbs: names, ranges, messages, and what a resumed training may change."""

import dataclasses

import pytest

from photism.errors import InputError
from photism.manifest.columns import SOUND_COLUMNS
from photism.prompts.losses import PUBLISHED_TEMPERATURE
from photism.settings import declarations, differences, read_settings, write_settings
from photism.training.settings import (
    RESUMABLE_CHANGES,
    AlignSettings,
    ClassifySettings,
    CtcSettings,
    FramesSettings,
    SpeakerSettings,
    TrainingSettings,
)

GIVEN = {"data": "recordings", "output": "model"}
SHARED = """
    data output encoder dataset_config sound_column validation_share max_unreadable limit max_duration_s random_crop
    epochs batch_size chunk_s learning_rate layer_decay schedule warmup_share warmup_steps adam_beta2 weight_decay
    max_grad_norm ema_decay dropout layerdrop frozen_layers lora_rank gradient_checkpointing fsdp precision cpu seed
    evaluate_every validation_clips checkpoint_every_s keep_checkpoints push_to_hub
"""
FINETUNE = f"""
    {SHARED} weighted_layer_sum speaker_column encoder_rate patience mask_time mask_mel dtype
"""
KEYS = {
    TrainingSettings: SHARED,
    AlignSettings: f"""
        {SHARED} diffusion adapter tokens num_adapter_layers adapter_kernel_size adapter_stride caption_length
        text_column label_column label_template contrastive_weight contrastive_group mask_equal_captions symmetric
        temperature learn_temperature regression_weight norm_weight padding_weight pictures picture_steps clip
    """,
    ClassifySettings: f"{FINETUNE} label_column classes multi_label balance",
    CtcSettings: f"""
        {FINETUNE} text_column text_language lowercase keep_punctuation drop_points remove vocabulary min_count
        adapter
    """,
    SpeakerSettings: f"{FINETUNE} crop_s",
    FramesSettings: f"{FINETUNE} learn speakers rttm crop_s collar_s",
}
"""YAML keys of each verb, which are also its flags. Scripts and settings files of older trainings depend on them."""


@pytest.mark.parametrize("kind", KEYS)
def test_keys(kind):
    assert set(declarations(kind)) == set(KEYS[kind].split())


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (AlignSettings, {"batch_size": 256, "learning_rate": 1e-4, "warmup_share": 0.05, "ema_decay": 0.999,
                         "validation_share": 0.05, "evaluate_every": 500, "validation_clips": 1000}),
        (ClassifySettings, {"batch_size": 32, "learning_rate": 5e-4, "warmup_share": 0.1, "ema_decay": 0.99,
                            "validation_share": 0.1, "evaluate_every": 200, "validation_clips": 2000}),
    ],
)  # fmt: skip
def test_defaults_that_differ(kind, defaults):
    settings = kind(**GIVEN)
    assert {name: getattr(settings, name) for name in defaults} == defaults


def test_flags_take_precedence_over_the_file(tmp_path):
    path = tmp_path / "align.yaml"
    path.write_text("data: recordings\noutput: model\nlearning_rate: 2e-4\nepochs: 3\nlimit: null\nsymmetric: false\n")
    settings = read_settings(AlignSettings, path, {"output": "other", "batch_size": 8})
    assert (settings.data, settings.output, settings.batch_size) == ("recordings", "other", 8)
    assert (settings.learning_rate, settings.epochs, settings.limit, settings.symmetric) == (2e-4, 3.0, None, False)


def test_a_written_file_is_read_again(tmp_path):
    settings = AlignSettings(**GIVEN, learning_rate=1e-5, clip="openai/clip", label_template="a {label}")
    write_settings(settings, tmp_path / "align.yaml")
    assert read_settings(AlignSettings, tmp_path / "align.yaml", {}) == settings


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (AlignSettings, {"data": ""}, "data must name the training data"),
        (AlignSettings, {"output": ""}, "output must name the folder"),
        (AlignSettings, {"batch_size": 1}, "batch_size must be at least 2, .*; got 1"),
        (AlignSettings, {"batch_size": 0}, "batch_size must be at least 1; got 0"),
        (AlignSettings, {"learning_rate": 0.0}, "learning_rate must be above 0; got 0"),
        (AlignSettings, {"ema_decay": 1.0}, "ema_decay must be at least 0 and below 1; got 1"),
        (AlignSettings, {"layer_decay": 0.0}, "layer_decay must be above 0 and at most 1; got 0"),
        (AlignSettings, {"validation_share": 1.0}, "validation_share must be at least 0 and below 1; got 1"),
        (AlignSettings, {"max_unreadable": 1.1}, "max_unreadable must be at least 0 and at most 1; got 1.1"),
        (AlignSettings, {"padding_weight": 1.1}, "padding_weight must be at least 0 and at most 1; got 1.1"),
        (AlignSettings, {"temperature": 0.0}, "temperature must be above 0; got 0"),
        (AlignSettings, {"contrastive_weight": 0.0, "regression_weight": 0.0}, "contrastive_weight must be above 0 if"),
        (AlignSettings, {"precision": "int8"}, "precision must be one of bf16, fp16, fp32; got int8"),
        (AlignSettings, {"schedule": "step"}, "schedule must be one of cosine, linear, constant; got step"),
        (AlignSettings, {"contrastive_group": 7}, "contrastive_group must divide batch_size 256; got 7"),
        (
            AlignSettings,
            {"tokens": 48, "caption_length": 48},
            "tokens must be below caption_length 48, which.*; got 48",
        ),
        (AlignSettings, {"adapter": "phonetic"}, "adapter must be one of conv, resampler; got phonetic"),
        (AlignSettings, {"label_template": "sound"}, r"label_template must contain either \{labels\}.*got 'sound'"),
        (AlignSettings, {"label_template": "{label} of {labels}"}, "label_template must contain either"),
        (
            AlignSettings,
            {"text_column": "text", "label_column": "tags"},
            "label_column must not be given together with text_",
        ),
        (AlignSettings, {"frozen_layers": -2}, "frozen_layers must be at least -1; got -2"),
        (AlignSettings, {"frozen_layers": -1, "lora_rank": 4}, "lora_rank must be 0 if the whole encoder is frozen"),
        (AlignSettings, {"evaluate_every": 0}, "evaluate_every must be at least 1; got 0"),
        (AlignSettings, {"limit": 1}, "limit must be at least 2; got 1"),
        (ClassifySettings, {"dtype": "int8"}, "dtype must be one of float32, float16, bfloat16; got int8"),
        (ClassifySettings, {"layerdrop": 1.0}, "layerdrop must be at least 0 and below 1; got 1"),
        (ClassifySettings, {"patience": -1}, "patience must be at least 0; got -1"),
        (CtcSettings, {"weighted_layer_sum": True}, "weighted_layer_sum must be off"),
        (CtcSettings, {"min_count": 0}, "min_count must be at least 1; got 0"),
        (SpeakerSettings, {"crop_s": 0.0}, "crop_s must be above 0; got 0"),
        (FramesSettings, {"learn": "words"}, "learn must be one of speech, speakers, names; got words"),
        (FramesSettings, {"speakers": 6}, "speakers must be at least 1 and at most 5; got 6"),
        (FramesSettings, {"collar_s": -0.1}, "collar_s must be at least 0; got -0.1"),
    ],
)
def test_refused_values(kind, given, message):
    with pytest.raises(InputError, match=message):
        kind(**{**GIVEN, **given})


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (AlignSettings, {"batch_size": 2, "layer_decay": 1.0, "max_unreadable": 1.0, "frozen_layers": -1, "limit": 2}),
        (AlignSettings, {"tokens": 47, "caption_length": 48, "contrastive_group": 256, "warmup_steps": 0}),
        (ClassifySettings, {"batch_size": 1, "dropout": 0.0, "encoder_rate": 0.0, "checkpoint_every_s": 0.0}),
        (FramesSettings, {"speakers": 5, "collar_s": 0.0}),
    ],
)
def test_values_at_their_bounds(kind, given):
    kind(**GIVEN, **given)


def test_a_resumed_training_may_change_how_it_runs_but_not_what_it_learns():
    one = AlignSettings(**GIVEN)
    changed = dataclasses.replace(one, chunk_s=3.0, pictures=0, evaluate_every=9)
    assert not differences(one, changed, ignored=RESUMABLE_CHANGES)
    other = dataclasses.replace(one, batch_size=32, seed=4)
    assert differences(one, other, ignored=RESUMABLE_CHANGES) == ["batch_size: 256, 32", "seed: 0, 4"]


def test_the_temperature_starts_as_published():
    assert AlignSettings(**GIVEN).temperature == PUBLISHED_TEMPERATURE


def test_the_help_names_all_columns_of_recordings():
    described = declarations(AlignSettings)["sound_column"].description
    assert ", ".join(SOUND_COLUMNS) in described
