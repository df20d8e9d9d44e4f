"""Checkpoints that do not fit are refused, as far as possible before weights are loaded."""

import json
import re

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from photism import InputError, Wav2Vec2BertForXVector
from photism.encoder import pretrained
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.encoder.pretrained import find_checkpoint, load_head, read_config, read_feature_extractor
from tests.support.classifiers import make_classifier, make_extractor, make_model
from tests.support.speaker_models import make_speaker_model


@pytest.fixture
def bert(tmp_path):
    return make_classifier(tmp_path / "bert", "bert")


def load(folder):
    return load_head(Wav2Vec2BertForSequenceClassification, folder, device="cpu", dtype="float32")


def extractor_of(folder):
    checkpoint = find_checkpoint(folder, expected="a classifier")
    return read_feature_extractor(checkpoint, read_config(checkpoint))


def change(folder, file="config.json", **changes):
    path = folder / file
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def assert_refused_without_weights(folder, message, call=load):
    (folder / "model.safetensors").unlink(missing_ok=True)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        call(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("Wav2Vec2BertForCTC", "not a Wav2Vec2BertForSequenceClassification: it transcribes speech; use photism trans"),
        ("Wav2Vec2BertForXVector", "it embeds speakers; use photism speakers"),
        ("Wav2Vec2BertForAudioFrameClassification", "it classifies frames; use photism speakers"),
        ("Wav2Vec2BertModel", "it has no head yet"),
        ("SomethingElse", "it is for another task"),
    ],
)
def test_another_architecture_is_refused(bert, architecture, message):
    change(bert, architectures=[architecture])
    assert_refused_without_weights(bert, message)


def test_a_class_of_another_library_for_the_same_task_is_accepted(bert):
    change(bert, architectures=["MyBertForSequenceClassification"])
    assert load(bert)


def test_another_model_type_is_refused(bert):
    change(bert, model_type="clip")
    assert_refused_without_weights(bert, "has model_type 'clip'; it must be wav2vec2-bert")


def test_a_missing_feature_extractor_is_an_error(bert):
    (bert / "preprocessor_config.json").unlink()
    assert_refused_without_weights(bert, "has no feature extractor: preprocessor_config.json is missing; copy it from")


@pytest.mark.parametrize(
    ("name", "extractor", "message"),
    [
        ("bert", "xlsr", "has a Wav2Vec2FeatureExtractor, but a wav2vec2-bert needs a SeamlessM4TFeatureExtractor"),
        ("xlsr", "bert", "but a wav2vec2 needs a Wav2Vec2FeatureExtractor"),
        ("ast", "wav2vec2-base", "but a audio-spectrogram-transformer needs a ASTFeatureExtractor"),
        ("whisper", "ast", "has a ASTFeatureExtractor, but a whisper needs a WhisperFeatureExtractor"),
    ],
)
def test_a_feature_extractor_of_another_class_is_refused(tmp_path, name, extractor, message):
    folder = make_classifier(tmp_path / name, name)
    make_extractor(extractor).save_pretrained(folder)
    assert_refused_without_weights(folder, message, extractor_of)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "bert",
            {"num_mel_bins": 40, "feature_size": 40},
            "accepts 160 features per token, but its feature extractor makes 80",
        ),
        ("whisper", {"feature_size": 80}, "accepts 16 mel bins, but its feature extractor makes 80"),
        ("whisper", {"chunk_length": 30}, "accepts 100 frames, but its feature extractor makes 3000"),
        ("ast", {"max_length": 128}, "accepts 64 frames, but its feature extractor makes 128"),
        ("bert", {"stride": {}}, "has a feature extractor whose stride must be a whole number from 1; got {}"),
        ("bert", {"num_mel_bins": 64, "stride": 2.5}, "whose stride must be a whole number from 1; got 2.5"),
        ("xlsr", {"sampling_rate": 8000}, "expects 8000 Hz; only 16000 Hz is supported"),
    ],
)
def test_a_feature_extractor_of_other_sizes_is_refused(tmp_path, name, settings, message):
    folder = make_classifier(tmp_path / name, name)
    change(folder, "preprocessor_config.json", **settings)
    assert_refused_without_weights(folder, message, extractor_of)


def test_the_feature_extractor_is_also_read_from_a_processor(bert):
    (bert / "vocab.json").write_text(
        json.dumps({letter: index for index, letter in enumerate("|ab")} | {"<pad>": 3, "<unk>": 4})
    )
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(bert / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
    processor = transformers.Wav2Vec2BertProcessor(make_extractor("bert"), tokenizer)
    (bert / "preprocessor_config.json").unlink()
    processor.save_pretrained(bert)
    assert extractor_of(bert).num_mel_bins == 80


def test_damaged_or_pickled_weights_are_refused(tmp_path):
    folder = make_speaker_model(tmp_path, "XVector")

    def load_speaker_model(folder):
        return load_head(Wav2Vec2BertForXVector, folder, device="cpu", dtype="float32")

    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot be loaded: model\.safetensors is damaged .*; fetch it again"):
        load_speaker_model(folder)
    torch.save({}, folder / "pytorch_model.bin")
    assert_refused_without_weights(
        folder, "has no safetensors weights, and pickled weights are not read; convert them", load_speaker_model
    )


def test_missing_weights_are_an_error(bert):
    weights = load_file(bert / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("projector")}
    save_file(kept, bert / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"is incomplete: it lacks projector\.bias and 1 more; give a trained model"):
        load(bert)


def test_weights_for_training_only_may_be_missing(bert):
    model = make_model("bert")
    model.save_pretrained(bert, state_dict={k: v for k, v in model.state_dict().items() if "masked" not in k})
    assert load(bert)


def test_weights_that_the_configuration_does_not_describe_are_an_error(bert):
    change(bert, num_hidden_layers=1)
    message = r"weights that its config\.json does not describe: wav2vec2_bert\.encoder\.layers\.1\.\S+ and \d+ more;"
    with pytest.raises(InputError, match=message):
        load(bert)


def test_a_folder_that_is_no_checkpoint_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"^model some/where: "):
        find_checkpoint("some/where", expected="a classifier")
    with pytest.raises(InputError, match=r"must be a folder with a classifier, but has no config\.json"):
        find_checkpoint(tmp_path, expected="a classifier")
    for content, reason in (("{", "Expecting property name"), ("[]", "it is not a JSON object")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(InputError, match=rf"has an unreadable config\.json: {reason}"):
            find_checkpoint(tmp_path, expected="a classifier")


def test_a_hub_models_configuration_is_fetched_before_its_weights(bert, monkeypatch):
    fetched = []

    def fetch(name, hub_id, patterns):
        fetched.append((hub_id, "model*.safetensors" in patterns))
        return bert

    monkeypatch.setattr(pretrained, "fetch_files", fetch)
    load("some/model")
    assert fetched == [("some/model", False), ("some/model", True)]
    change(bert, architectures=["Wav2Vec2BertForCTC"])
    with pytest.raises(InputError, match="model some/model is a Wav2Vec2BertForCTC"):
        load("some/model")
    assert len(fetched) == 3
