"""Models given to a server: kinds come from checkpoints, and mistakes name the file, the model and the key."""

import json

import pytest

from photism import InputError
from photism.hub import bundled_model
from photism.listening.transcription.decoding_options import RecognizerModelSettings
from photism.prompts.settings import PipelineSettings
from photism.server.engine.checkpoint_kinds import checkpoint_kinds
from photism.server.engine.entries import ModelEntry
from photism.server.engine.model_list import read_entries
from photism.server.engine.registry import ModelRegistry
from photism.server.settings import LimitSettings, ModelsSettings
from photism.settings import SettingError


def entries_of(tmp_path, text):
    """Return the entries of a YAML file, by kind and name."""
    path = tmp_path / "models.yaml"
    path.write_text(text)
    return {(entry.kind, entry.name): entry.settings for entry in read_entries(ModelsSettings(models=path))}


def test_without_further_models_there_are_no_entries():
    assert read_entries(ModelsSettings()) == ()


def test_a_checkpoint_is_of_the_kinds_of_its_files(
    ctc_checkpoints, sound_models, speaker_models, models, bare_encoder, tmp_path
):
    assert checkpoint_kinds(str(ctc_checkpoints / "w2v-bert")) == ("recognizer",)
    assert checkpoint_kinds(str(ctc_checkpoints / "hubert")) == ("recognizer",)
    assert checkpoint_kinds(str(sound_models / "speech")) == ("sound",)
    assert checkpoint_kinds(str(bundled_model() / "sound")) == ("sound",)
    assert checkpoint_kinds(str(bundled_model() / "language")) == ("classifier",)
    assert checkpoint_kinds(str(bundled_model())) == ("drawing", "embedder")
    assert checkpoint_kinds(str(models / "sd")) == ("drawing", "embedder")
    assert checkpoint_kinds(str(speaker_models / "turns")) == ("diarizer",)
    assert checkpoint_kinds(str(speaker_models / "voices")) == ("xvector", "embedder")
    assert checkpoint_kinds(str(bare_encoder)) == ("embedder",)


def test_a_flag_names_a_checkpoint_of_all_its_kinds(models, ctc_checkpoints):
    added = (f"letters={ctc_checkpoints / 'w2v-bert'}", f"me/night={models / 'sd'}")
    entries = read_entries(ModelsSettings(add=added))
    assert [(entry.name, entry.kind) for entry in entries] == [
        ("letters", "recognizer"),
        ("me/night", "drawing"),
        ("me/night", "embedder"),
    ]
    assert entries[0].settings == RecognizerModelSettings(model=str(ctc_checkpoints / "w2v-bert"))


def test_a_file_has_the_settings_of_models(models, ctc_checkpoints, tmp_path):
    found = entries_of(
        tmp_path,
        f"""
        letters: {{model: {ctc_checkpoints / "xlsr"}, dtype: bfloat16, precision: float32}}
        night: {{model: {models / "sd"}, lora: ["ink.safetensors:0.7", wash.safetensors]}}
        ink: {{kind: drawing, lora: ink.safetensors:0.5, scheduler: dpm++}}
        plain: {{model: {models / "sd"}, device: cpu}}
        later: {{kind: recognizer, model: facebook/wav2vec2-base-960h}}
        """,
    )
    assert found["recognizer", "letters"].dtype == "bfloat16"
    assert found["drawing", "night"].loras == (("ink.safetensors", 0.7), ("wash.safetensors", 1.0))
    assert ("embedder", "night") not in found  # which has no LoRA
    assert found["drawing", "ink"].loras == (("ink.safetensors", 0.5),)
    assert (found["drawing", "plain"].device, found["embedder", "plain"].device) == ("cpu", "cpu")
    assert found["recognizer", "later"].model == "facebook/wav2vec2-base-960h"  # not fetched before it is used


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {kind: painter, model: x}", r"models.yaml: a: kind must be one of drawing, .*; got 'painter'"),
        ("a: {kind: recognizer}", r"models.yaml: a: model is missing: give a folder or hub id"),
        ("a: {dtype: float16}", r"models.yaml: a: model is missing"),
        ("a: {kind: recognizer, model: 7}", r"models.yaml: a: model must be a folder or hub id; got 7"),
        ("a: {kind: recognizer, model: /no/such}", r"model /no/such: no such folder"),
        ("a: {kind: drawing, steps: 4}", r"models.yaml: a has no setting 'steps' to set; there are model, diffusion, "),
        ("a: {kind: recognizer, model: b/c, int8: 2}", r"models.yaml: a: int8 must be of type bool; got 2"),
        (
            "a: {kind: recognizer, model: b/c, precision: int4}",
            r"models.yaml: a: precision must be one of .*; got int4",
        ),
        ("a: {kind: drawing, scheduler: none}", r"models.yaml: a: scheduler must be .*"),
        ("a: text", r"models.yaml: a must be a mapping from names of settings to values; got 'text'"),
        ("/a: {kind: drawing}", r"models.yaml must name its models with letters, digits and .*; got '/a'"),
        ("7: {kind: drawing}", r"models.yaml must name its models with .*; got 7"),
        ("[a]", r"models.yaml must be a YAML mapping"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        entries_of(tmp_path, text)


@pytest.mark.parametrize("text", ["letters", "=x", "a=", "a b=x", "../a=x"])
def test_a_flag_that_is_no_name_and_checkpoint_is_refused(text):
    with pytest.raises(SettingError, match=r"^add must be NAME=FOLDER or NAME=ID, a name with letters, .*; got "):
        read_entries(ModelsSettings(add=(text,)))


def test_a_flag_whose_checkpoint_cannot_be_used_is_named(tmp_path):
    with pytest.raises(SettingError, match=r"^add letters=.*: model .* has neither config.json nor model_index.json"):
        read_entries(ModelsSettings(add=(f"letters={tmp_path}",)))


def test_two_models_of_a_kind_have_different_names(models, tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("night: {kind: drawing}")
    further = read_entries(ModelsSettings(models=path, add=(f"night={models / 'sd'}",)))
    main = ModelEntry("night", "drawing", PipelineSettings())
    for entries in (further, (main, *further[1:])):
        with pytest.raises(SettingError, match=r"^add must have names that no other model has; got night twice"):
            ModelRegistry(entries, LimitSettings())


def test_checkpoints_of_no_kind_are_refused(models, tmp_path):
    def refused(folder):
        with pytest.raises(InputError) as raised:
            checkpoint_kinds(str(folder))
        return str(raised.value)

    assert refused(models / "sd" / "diffusion").endswith(
        "is a diffusers pipeline ('StableDiffusionPipeline'); give it as diffusion of a model of the kind drawing"
    )
    assert refused(tmp_path).endswith("must be a checkpoint, but has neither config.json nor model_index.json")
    for config, shown in (
        ({"architectures": ["WhisperForConditionalGeneration"]}, "WhisperForConditionalGeneration"),
        ({}, "no architecture"),
        ({"architectures": "Wav2Vec2ForCTC"}, "no architecture"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert refused(tmp_path).endswith(f"is of no kind that is served: its config.json names {shown}")
    assert "no such file or folder" in refused("/no/such/folder")
