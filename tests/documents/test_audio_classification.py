"""The code of a widely read tutorial on transformers' audio-classification pipeline."""

import json

import numpy as np
import pytest
import torch
import transformers

import photism
from photism.audio.writing import write_waveform
from tests.documents.conftest import run
from tests.support.hub_cache import EMOTIONS, KEYWORDS

ENVIRONMENT = """
import os
os.environ["HF_ENDPOINT"] = "https://hf-mirror.com"
os.environ["CUDA_VISIBLE_DEVICES"] = "2"
"""
KEYWORD = """
from transformers import pipeline

speech_file = "./output_video_enhanced.mp3"
pipe = pipeline(task="audio-classification")
result = pipe(speech_file)
print(result)
"""
EMOTION = """
from transformers import pipeline

speech_file = "./output_video_enhanced.mp3"
pipe = pipeline(task="audio-classification",model="ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition")
result = pipe(speech_file)
print(result)
"""
KEYWORD_MODEL = "superb/wav2vec2-base-superb-ks"
NOISE = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)


@pytest.fixture
def speech_file(tmp_path, monkeypatch):
    """Write the mp3 of the tutorial, and undo what its code does to the environment."""
    for name in ("HF_ENDPOINT", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    path = tmp_path / "output_video_enhanced.mp3"
    write_waveform(NOISE, path, sampling_rate=16_000, title="", about={})
    return path


@pytest.fixture(scope="module")
def keywords():
    """Return our pipeline and that of transformers for the same checkpoint."""
    return [library.pipeline(task="audio-classification", model=KEYWORD_MODEL) for library in (photism, transformers)]


def check_equal(ours, theirs):
    assert [each["label"] for each in ours] == [each["label"] for each in theirs]
    np.testing.assert_allclose([each["score"] for each in ours], [each["score"] for each in theirs], atol=1e-4)


def test_emotions_of_an_mp3(speech_file, capsys):
    result = run(ENVIRONMENT + EMOTION, changed=True)["result"]
    assert {each["label"] for each in result} == set(EMOTIONS)
    assert [list(each) for each in result] == [["score", "label"]] * len(EMOTIONS)
    assert json.loads(json.dumps(result)) == result
    assert str(result) in capsys.readouterr().out
    # The tutorial prints .131, .130, .126 …: the scores of a random head. Here the trained one is loaded.
    classifier = photism.AudioClassifier.from_pretrained("ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition")
    best = classifier(speech_file, top_k=1)[0]
    assert result[0] == best


@pytest.mark.parametrize(
    "make",
    [
        lambda: NOISE.copy(),
        lambda: NOISE.astype(np.float64),
        lambda: {"raw": NOISE.copy(), "sampling_rate": 16_000},
        lambda: {"array": NOISE.copy(), "sampling_rate": 16_000},
        lambda: {"array": NOISE.copy(), "sampling_rate": 16_000, "path": "gone.wav"},
    ],
)
@pytest.mark.parametrize("top_k", [None, 1, 5, 100])
def test_the_documented_inputs_and_top_k(keywords, make, top_k):
    ours, theirs = (each(make(), top_k=top_k) for each in keywords)
    assert len(ours) == min(top_k or 100, len(KEYWORDS))
    check_equal(ours, theirs)


def test_files_and_their_contents(keywords, speech_file):
    """transformers needs the program ffmpeg for these two."""
    ours = keywords[0]
    assert ours(str(speech_file)) == ours(speech_file.read_bytes()) == ours(inputs=str(speech_file))


def test_lists_and_generators(keywords):
    ours, theirs = (each([NOISE.copy(), NOISE[:9000].copy()], top_k=3) for each in keywords)
    for mine, other in zip(ours, theirs, strict=True):
        check_equal(mine, other)
    assert list(keywords[0](iter([NOISE, NOISE[:9000]]), top_k=3)) == ours


def test_the_default_model_says_which_question_it_answers(speech_file, caplog):
    """The tutorial's default recognises keywords; ours, which is bundled, the spoken language."""
    caplog.set_level("WARNING", logger="photism")
    result = run(ENVIRONMENT + KEYWORD, changed=True)["result"]
    assert "English" in {each["label"] for each in result}
    assert "defaulted to the bundled classifier" in caplog.text
    assert 'for keywords, as the default of transformers, give model="superb/wav2vec2-base-superb-ks"' in caplog.text
    named = KEYWORD.replace('classification")', 'classification", model="superb/wav2vec2-base-superb-ks")')
    assert {each["label"] for each in run(named, changed=True)["result"]} == set(KEYWORDS)


@pytest.mark.parametrize(
    "arguments",
    [
        {"device": -1},
        {"device": "cpu"},
        {"device": torch.device("cpu")},
        {"framework": "pt"},
        {"torch_dtype": torch.float32},
        {"torch_dtype": "auto"},
        {"dtype": "auto"},
        {"num_workers": 8, "batch_size": 1},
        {"modelcard": None, "args_parser": None, "binary_output": False},
        {"feature_extractor": KEYWORD_MODEL},
        {"device_map": None, "model_kwargs": {}},
        {"top_k": 2},
    ],
)
def test_the_documented_arguments_of_pipeline(keywords, arguments):
    pipe = photism.pipeline("audio-classification", KEYWORD_MODEL, **arguments)
    found = pipe(NOISE.copy(), top_k=2)
    check_equal(found, keywords[1](NOISE.copy(), top_k=2))


def test_a_model_and_a_feature_extractor_as_objects(keywords):
    theirs = keywords[1]
    pipe = photism.pipeline("audio-classification", model=theirs.model, feature_extractor=theirs.feature_extractor)
    check_equal(pipe(NOISE.copy()), theirs(NOISE.copy()))
