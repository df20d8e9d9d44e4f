"""pipeline(): tasks, default models, and what a pipeline is made of."""

import copy
import json
import logging
import shutil

import pytest
import torch
import transformers

from photism import AudioClassifier, AudioToImagePipeline, CaptionRanker, InputError, pipeline
from tests.support.hub_cache import REVISION, add_repository


@pytest.fixture
def folder(classifiers):
    return str(classifiers("bert"))


@pytest.fixture
def warnings_of(caplog):
    """Function that returns the warnings of making a pipeline."""

    def record(*arguments, **keywords):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="photism"):
            pipeline(*arguments, device=-1, **keywords)
        return [record.getMessage() for record in caplog.records if record.name.startswith("photism")]

    return record


def test_the_task_is_that_of_the_model(classifiers, ctc_checkpoints, models):
    assert pipeline(model=classifiers("ast")).task == "audio-classification"
    assert pipeline(model=str(ctc_checkpoints / "hubert")).task == "automatic-speech-recognition"
    drawing = pipeline(model=models / "sd", device=-1)
    assert isinstance(drawing, AudioToImagePipeline)
    assert pipeline(model=drawing) is drawing
    for arguments in ({"task": "audio-to-image", "model": object()}, {"model": drawing, "seed": 1}):
        with pytest.raises(InputError, match="must be an AudioToImagePipeline, whose call takes all arguments"):
            pipeline(**arguments)
    assert pipeline(model=CaptionRanker(drawing.encoder, drawing.diffusion)).task == "zero-shot-audio-classification"


def test_speech_is_audio(sound_models):
    assert pipeline(model=str(sound_models / "sound"), device=-1).task == "text-to-audio"
    assert pipeline("text-to-speech", model=sound_models / "sound", device=-1).task == "text-to-audio"


def test_the_default_model_and_its_question_are_named(warnings_of, folder):
    (language,) = warnings_of("audio-classification")
    assert language == (
        "No model was supplied, defaulted to the bundled classifier: it answers which language is spoken, one of "
        "Belarusian, Bulgarian, Catalan, English, French, Romanian, Russian, Spanish; for keywords, as the default of "
        'transformers, give model="superb/wav2vec2-base-superb-ks"'
    )
    for task, question in (
        ("zero-shot-audio-classification", "the bundled model: it answers which of your labels is spoken"),
        ("text-to-audio", "the bundled AudioLDM 2: it says the names of 805 things"),
        ("audio-to-image", "the bundled model: it draws what is named, one of 805 things"),
    ):
        (warning,) = warnings_of(task)
        assert warning.startswith(f"No model was supplied, defaulted to {question}")
    assert warnings_of("audio-classification", model=folder) == []


def test_the_default_recogniser_is_that_of_transformers(caplog, monkeypatch):
    def refuse(model, **_):
        raise InputError(f"asked for {model}")

    monkeypatch.setattr("photism.listening.transcription.ctc_checkpoint.load_ctc", refuse)
    with pytest.raises(InputError, match="asked for facebook/wav2vec2-base-960h"):
        pipeline("automatic-speech-recognition")
    assert "defaulted to facebook/wav2vec2-base-960h: it answers what is said, in English" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [
        {"device": -1},
        {"device": "cpu"},
        {"device": torch.device("cpu")},
        {"device_map": "cpu"},
        {"device_map": {"": "cpu"}},
        {"model_kwargs": {"device_map": "cpu"}},
    ],
)
def test_devices(folder, arguments):
    assert pipeline(model=folder, **arguments).device == torch.device("cpu")


@pytest.mark.parametrize("device", [0, None, "auto"])
def test_without_a_gpu_its_number_is_the_cpu(folder, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    arguments = {"device_map": device} if device == "auto" else {"device": device}
    assert pipeline(model=folder, **arguments).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "dtype"),
    [
        ({}, torch.float32),
        ({"dtype": "auto"}, torch.float16),
        ({"torch_dtype": "auto"}, torch.float16),
        ({"torch_dtype": torch.float16}, torch.float16),
        ({"dtype": "float16"}, torch.float16),
        ({"dtype": torch.float32, "torch_dtype": torch.float16}, torch.float32),
        ({"model_kwargs": {"torch_dtype": torch.float16}}, torch.float16),
    ],
)
def test_dtypes(classifiers, tmp_path, arguments, dtype):
    shutil.copytree(classifiers("xlsr"), tmp_path, dirs_exist_ok=True)
    transformers.AutoModelForAudioClassification.from_pretrained(tmp_path).half().save_pretrained(tmp_path)
    made = pipeline("audio-classification", model=tmp_path, device=-1, **arguments)
    assert made.dtype == made.model.dtype == dtype


def test_components_take_the_place_of_those_of_the_checkpoint(ctc_checkpoints, folder, recordings, tmp_path):
    whole = ctc_checkpoints / "xlsr"
    for name in ("config.json", "model.safetensors"):
        shutil.copy(whole / name, tmp_path)
    with pytest.raises(InputError, match="has no feature extractor"):
        pipeline(model=tmp_path)
    expected = pipeline(model=whole, device=-1)
    processor = transformers.AutoProcessor.from_pretrained(whole)
    for components in (
        {"processor": str(whole)},
        {"processor": processor},
        {"feature_extractor": str(whole), "tokenizer": str(whole)},
        {"feature_extractor": processor.feature_extractor, "tokenizer": processor.tokenizer},
    ):
        made = pipeline("automatic-speech-recognition", model=str(tmp_path), device=-1, **components)
        assert made(recordings[0]) == expected(recordings[0])
        made = pipeline("automatic-speech-recognition", model=expected.model, device=-1, **components)
        assert made(recordings[0]) == expected(recordings[0])


def test_a_configuration_takes_the_place_of_that_of_the_checkpoint(folder, recordings):
    config = copy.copy(transformers.AutoConfig.from_pretrained(folder))
    config.id2label = {index: f"class {index}" for index in config.id2label}
    made = pipeline("audio-classification", folder, config, device=-1)
    assert {each["label"] for each in made(recordings[0])} == set(config.id2label.values())
    assert pipeline(model=folder, config=folder, device=-1)(recordings[0])[0]["label"] not in config.id2label.values()


def test_classes_without_names_have_those_of_transformers(classifiers, recordings, tmp_path):
    shutil.copytree(classifiers("xlsr"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config.update(id2label={str(index): f"LABEL_{index}" for index in range(len(config["id2label"]))}, label2id=None)
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_labels": len(config.pop("id2label"))}))
    theirs = transformers.pipeline("audio-classification", model=str(tmp_path), device="cpu")(recordings[0].copy())
    ours = pipeline("audio-classification", model=str(tmp_path), device=-1)(recordings[0])
    assert [each["label"] for each in ours] == [each["label"] for each in theirs]
    assert ours[0]["label"].startswith("LABEL_")


def test_the_head_of_published_emotion_classifiers_is_loaded(classifiers, recordings, tmp_path):
    from tests.support.classifiers import give_speech_head

    shutil.copytree(classifiers("xlsr"), tmp_path, dirs_exist_ok=True)
    give_speech_head(tmp_path)
    expected = AudioClassifier.from_pretrained(tmp_path, device="cpu", top_k=None)(recordings[0])
    assert pipeline(task="audio-classification", model=str(tmp_path), device=-1)(recordings[0]) == expected


def test_settings_of_our_own_models(models):
    made = pipeline(
        "audio-to-image", model=models / "sd", scheduler="euler", model_kwargs={"diffusion": None}, device=-1
    )
    assert made.settings.scheduler == "euler"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "task is missing: it must be one of audio-classification, audio-to-image, automatic-speech-recognition"),
        ({"task": "text-classification"}, "got 'text-classification': transformers.pipeline has others"),
        ({"task": "audio-classification", "framework": "tf"}, "framework must be \"pt\": .* PyTorch; got 'tf'"),
        ({"task": "audio-classification", "feature_extractor": "x"}, "model is missing: a tokenizer, feature extract"),
        (
            {"model": object()},
            "task is missing, and not known for object; give one of audio-classification, audio-to-im",
        ),
        ({"device": "cpu", "device_map": "auto"}, "device and device_map exclude each other; give one of them"),
        ({"device_map": {"a": 0, "b": "cpu"}}, "device_map must name one device, on which the whole model computes"),
        ({"dtype": "float8"}, "dtype must be one of float32, float16, bfloat16; got float8"),
        ({"task": "audio-classification", "revision": "v1"}, "model is missing: .*, config or revision belongs to a m"),
        (
            {"task": "audio-classification", "pipeline_class": dict},
            "pipeline_class for audio-classification must be a subclass of photism.AudioClassificationPip.*; got dict",
        ),
        ({"task": "text-to-audio", "pipeline_class": dict}, "must be omitted: the task has one class; got dict"),
        ({"trust_remote_code": True}, "trust_remote_code is not supported: Photism runs no code from checkpoints"),
    ],
)
def test_bad_arguments(folder, arguments, message):
    if "task" not in arguments and arguments:
        arguments = {"model": folder, **arguments}
    with pytest.raises(InputError, match=message):
        pipeline(**arguments)


@pytest.mark.parametrize("task", ["audio-to-image", "text-to-audio", "zero-shot-audio-classification"])
def test_the_components_of_our_own_models_cannot_be_replaced(folder, models, task):
    with pytest.raises(InputError, match="feature_extractor is part of the model for this task and cannot be replaced"):
        pipeline(task, model=models / "sd", feature_extractor=folder)


@pytest.mark.parametrize("task", ["audio-to-image", "text-to-audio", "zero-shot-audio-classification"])
def test_a_model_of_transformers_where_ours_are_needed(tmp_path, task):
    transformers.ClapConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"is a clap, with which Photism does not do this: use transformers.pipeline"):
        pipeline(task, model=tmp_path)


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("config", "AutoConfig"),
        ("feature_extractor", "AutoFeatureExtractor"),
        ("processor", "AutoProcessor"),
        ("tokenizer", "AutoTokenizer"),
    ],
)
def test_a_component_that_cannot_be_loaded(folder, tmp_path, name, loader):
    with pytest.raises(InputError, match=f"{tmp_path} cannot be loaded by {loader}"):
        pipeline(model=folder, **{name: str(tmp_path)})


def test_arguments_without_an_effect(folder, recordings):
    obsolete = {"modelcard": None, "args_parser": None, "binary_output": True, "use_fast": True, "revision": None}
    made = pipeline("audio-classification", model=folder, device=-1, trust_remote_code=False, **obsolete)
    assert made(recordings[0]) == pipeline(model=folder, device=-1)(recordings[0])


def test_a_revision_of_a_model_on_the_hub(classifiers, recordings, tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    add_repository(tmp_path, "someone/keywords", classifiers("bert"))
    repository = tmp_path / "models--someone--keywords"
    (repository / "refs" / "v2").write_text("1" * 40)
    (repository / "snapshots" / ("1" * 40)).symlink_to(classifiers("hubert"), target_is_directory=True)

    def model_type(**arguments):
        return pipeline(model="someone/keywords", device=-1, **arguments).model.config.model_type

    assert model_type() == model_type(revision=REVISION, token="secret") == "wav2vec2-bert"
    assert model_type(revision="v2") == "hubert"
    with pytest.raises(InputError, match=r"^model someone/keywords, revision v3: "):
        model_type(revision="v3")
