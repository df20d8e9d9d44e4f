"""A checkpoint in the layout of facebook/mms-1b-all, with an adapter and a vocabulary for each language."""

import json

import pytest
import torch
import transformers
from safetensors.torch import save_file
from typer.testing import CliRunner

from photism import InputError, Transcriber, pipeline
from photism.cli.app import app
from photism.errors import ModelWarning
from photism.listening.transcription import ctc_checkpoint
from photism.listening.transcription.languages import some_languages
from tests.support.tiny_ctc import CONVOLUTIONS, HEAD_GAIN, SIZES

PLAIN = ("<pad>", "<s>", "</s>", "<unk>", "|")
LETTERS = {"eng": "abcde'", "fra": "éèàçôîabcde", "deu": "äöüßa", "cmn-script_simplified": "天地玄黃"}
SPECIAL = [1, 2, 3]
DEFAULT_MESSAGE = (
    "no language was given for model {}, defaulted to eng; it has 4 languages, such as deu, fra, cmn-script_simplified"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoint whose weights are English."""
    folder = tmp_path_factory.mktemp("mms")
    vocabularies = {name: {each: n for n, each in enumerate((*PLAIN, *letters))} for name, letters in LETTERS.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabularies))
    settings = {"tokenizer_class": "Wav2Vec2CTCTokenizer", "target_lang": "eng"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    extractor = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "adapter_attn_dim": 4}
    for seed, name in enumerate(reversed(LETTERS)):  # English is the last, so that its weights remain
        torch.manual_seed(seed)
        config = transformers.Wav2Vec2Config(**SIZES, **CONVOLUTIONS, **extractor, vocab_size=len(vocabularies[name]))
        model = transformers.Wav2Vec2ForCTC(config)
        with torch.no_grad():
            for weight in model._get_adapters().values():
                weight.copy_(torch.randn_like(weight))
            model.lm_head.weight *= HEAD_GAIN
            model.lm_head.bias[SPECIAL] = -1000.0
        save_file(model._get_adapters(), folder / f"adapter.{name}.safetensors")
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def expected_text(folder, language, samples):
    parts = {
        "model": transformers.Wav2Vec2ForCTC.from_pretrained(
            folder, target_lang=language, ignore_mismatched_sizes=True
        ),
        "tokenizer": transformers.AutoTokenizer.from_pretrained(folder, target_lang=language),
        "feature_extractor": transformers.AutoFeatureExtractor.from_pretrained(folder),
    }
    text = transformers.pipeline("automatic-speech-recognition", **parts)(samples)["text"]
    return " ".join(text.split())


@pytest.mark.parametrize("language", LETTERS)
def test_the_adapter_and_vocabulary_of_a_language_are_loaded(folder, speech, language):
    transcriber = Transcriber.from_pretrained(folder, language=language)
    text = transcriber(speech).text
    assert text == expected_text(folder, language, speech)
    assert set(text) <= {" ", *LETTERS[language]}
    assert (transcriber.language, transcriber.languages) == (language, tuple(LETTERS))


def test_the_default_is_the_language_of_the_weights(folder, speech):
    with pytest.warns(ModelWarning) as warnings:
        transcriber = Transcriber.from_pretrained(folder)
    assert [str(each.message) for each in warnings] == [DEFAULT_MESSAGE.format(folder)]
    assert transcriber.language == "eng"
    assert transcriber(speech).text == expected_text(folder, "eng", speech)


def test_the_pipeline_takes_the_language_as_transformers_does(folder, speech):
    arguments = {"target_lang": "fra", "ignore_mismatched_sizes": True}
    found = pipeline("automatic-speech-recognition", str(folder), device="cpu", model_kwargs=arguments)(speech)["text"]
    assert " ".join(found.split()) == expected_text(folder, "fra", speech)


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("fr", "language must be one of the 4 languages of model {}, such as fra; got fr"),
        ("cmn", "such as cmn-script_simplified; got cmn"),
        ("xyz", "such as deu, fra, eng, cmn-script_simplified; got xyz"),
    ],
)
def test_an_unknown_language_is_an_error_before_weights_are_loaded(folder, monkeypatch, language, message):
    monkeypatch.setattr(ctc_checkpoint, "load_weights", lambda *_, **__: pytest.fail("weights were loaded"))
    with pytest.raises(InputError) as error:
        Transcriber.from_pretrained(folder, language=language)
    assert message.format(folder) in str(error.value)


def test_a_language_without_adapter_or_without_languages_is_an_error(folder, ctc_checkpoints, monkeypatch):
    monkeypatch.setattr(ctc_checkpoint, "load_weights", lambda *_, **__: pytest.fail("weights were loaded"))
    path = folder / "adapter.deu.safetensors"
    hidden = path.rename(folder / "hidden")
    with pytest.raises(InputError, match=r"has no adapter for deu: adapter\.deu\.safetensors is missing"):
        Transcriber.from_pretrained(folder, language="deu")
    hidden.rename(path)
    with pytest.raises(InputError, match=r"language is for checkpoints with adapters; model .* has one language"):
        Transcriber.from_pretrained(ctc_checkpoints / "w2v-bert", language="fra")


def test_the_command_line_reports_the_language_that_was_chosen(folder, sounds):
    run = CliRunner().invoke
    result = run(app, ["transcribe", str(sounds[0]), "--model", str(folder)])
    assert result.stderr == f"photism: {DEFAULT_MESSAGE.format(folder)}\n"
    french = run(app, ["transcribe", str(sounds[0]), "--model", str(folder), "--language", "fra"])
    assert french.stderr == ""
    assert french.stdout != result.stdout


def test_large_languages_are_named_first():
    assert some_languages(["abi", "abk", "deu", "eng", "fra"], without="eng") == ["deu", "fra", "abi", "abk"]
