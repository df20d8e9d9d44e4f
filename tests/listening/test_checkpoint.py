"""What is wrong with a checkpoint is told, and before its weights are loaded."""

import json
import re

import pytest
import torch
import transformers

from photism import AudioClassifier, InputError
from photism.listening import checkpoint, classifier_checkpoint
from photism.listening.classifier_checkpoint import read_checkpoint
from tests.support.classifiers import WIDTH, make_classifier, make_extractor, make_model


@pytest.fixture
def bert(tmp_path):
    return make_classifier(tmp_path / "bert", "bert")


def change(folder, file="config.json", **changes):
    path = folder / file
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def check(folder, message):
    """That the message is told from what is there beside the weights."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    with pytest.raises(InputError, match=re.escape(message)) as told:
        AudioClassifier.from_pretrained(folder, device="cpu")
    assert str(folder) in str(told.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("Wav2Vec2BertForCTC", "not a Wav2Vec2BertForSequenceClassification: it writes words: use photism transcribe"),
        ("Wav2Vec2BertForXVector", "it tells speakers: use photism speakers"),
        ("Wav2Vec2BertForAudioFrameClassification", "it tells frames: use photism speakers"),
        ("Wav2Vec2BertModel", "it has no head yet"),
    ],
)
def test_another_head(bert, architecture, message):
    change(bert, architectures=[architecture])
    check(bert, message)


def test_a_model_of_another_kind(bert):
    change(bert, model_type="clip")
    check(bert, "is of the type 'clip', which labels no sound; it must be one of audio-spectrogram-transformer, ")


def test_no_names_of_classes(bert):
    change(bert, id2label=None, label2id=None)
    check(bert, "does not say what its classes are called: its config.json has no id2label")


def test_names_with_a_gap(bert):
    change(bert, id2label={"0": "a", "2": "b"}, label2id=None)
    check(bert, "has an id2label of 2 classes without number 1")


def test_no_feature_extractor(bert):
    (bert / "preprocessor_config.json").unlink()
    check(bert, "has no feature extractor: preprocessor_config.json is missing")


@pytest.mark.parametrize(
    ("name", "extractor", "message"),
    [
        ("bert", "xlsr", "has a Wav2Vec2FeatureExtractor, but a wav2vec2-bert needs a SeamlessM4TFeatureExtractor"),
        ("xlsr", "bert", "but a wav2vec2 needs a Wav2Vec2FeatureExtractor"),
        ("ast", "wav2vec2-base", "but a audio-spectrogram-transformer needs a ASTFeatureExtractor"),
        ("whisper", "ast", "has a ASTFeatureExtractor, but a whisper needs a WhisperFeatureExtractor"),
    ],
)
def test_the_feature_extractor_of_another_kind(tmp_path, name, extractor, message):
    folder = make_classifier(tmp_path / name, name)
    make_extractor(extractor).save_pretrained(folder)
    check(folder, message)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "bert",
            {"num_mel_bins": 40, "feature_size": 40},
            "takes 160 numbers a token, but its feature extractor makes 80",
        ),
        ("whisper", {"feature_size": 80}, "takes 16 mel bins, but its feature extractor makes 80"),
        ("whisper", {"chunk_length": 30}, "takes 100 frames, but its feature extractor makes 3000"),
        ("ast", {"max_length": 128}, "takes 64 frames, but its feature extractor makes 128"),
        ("xlsr", {"sampling_rate": 8000}, "hears at 8000 Hz; only 16000 Hz can be given"),
    ],
)
def test_a_feature_extractor_that_makes_something_else(tmp_path, name, settings, message):
    folder = make_classifier(tmp_path / name, name)
    change(folder, "preprocessor_config.json", **settings)
    check(folder, message)


def test_a_processor_holds_the_feature_extractor_too(tmp_path, bert):
    (bert / "vocab.json").write_text(
        json.dumps({letter: index for index, letter in enumerate("|ab")} | {"<pad>": 3, "<unk>": 4})
    )
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(bert / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
    processor = transformers.Wav2Vec2BertProcessor(make_extractor("bert"), tokenizer)
    (bert / "preprocessor_config.json").unlink()
    processor.save_pretrained(bert)
    assert read_checkpoint(bert).extractor.num_mel_bins == 80


def test_no_weights_and_damaged_ones(bert):
    path = bert / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot be loaded: model.safetensors is damaged"):
        AudioClassifier.from_pretrained(bert, device="cpu")
    check(bert, "must have its weights as safetensors, of which there are none; pickled ones are not read")


def test_no_trained_classifier_among_the_weights(bert):
    model = make_model("bert")
    model.wav2vec2_bert.save_pretrained(bert)
    change(bert, architectures=["Wav2Vec2BertForSequenceClassification"])
    with pytest.raises(InputError, match="has no weights of a classifier; give one that was trained to classify"):
        AudioClassifier.from_pretrained(bert, device="cpu")


def test_a_part_that_would_be_random_is_not_taken(bert):
    model = make_model("bert")
    weights = {key: value for key, value in model.state_dict().items() if not key.startswith("projector")}
    model.save_pretrained(bert, state_dict=weights)
    with pytest.raises(InputError, match=r"is not whole: projector.bias and 1 more would be random"):
        AudioClassifier.from_pretrained(bert, device="cpu")


def test_what_is_for_training_alone_may_be_missing(bert):
    model = make_model("bert")
    model.save_pretrained(bert, state_dict={k: v for k, v in model.state_dict().items() if "masked" not in k})
    assert AudioClassifier.from_pretrained(bert, device="cpu")


def test_pickled_weights_are_not_read(tmp_path):
    folder = make_classifier(tmp_path / "xlsr", "xlsr")
    torch.save(make_model("xlsr").state_dict(), folder / "pytorch_model.bin")
    check(folder, "must have its weights as safetensors, of which there are none; pickled ones are not read")


def test_no_folder_and_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="model must be a folder or the id of a hub repository; some/where is neither"):
        AudioClassifier.from_pretrained("some/where")
    with pytest.raises(InputError, match=r"must be a folder with a classifier, but has no config\.json"):
        AudioClassifier.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"has a config\.json that cannot be read"):
        AudioClassifier.from_pretrained(tmp_path)


def test_the_bundled_one_is_the_default(bert, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier_checkpoint, "BUNDLED", bert)
    assert AudioClassifier.from_pretrained(device="cpu").model.config.hidden_size == WIDTH["hidden_size"]
    monkeypatch.setattr(classifier_checkpoint, "BUNDLED", tmp_path / "none")
    with pytest.raises(InputError, match=r"model is missing: this Photism brings no classifier, .*none; name one"):
        AudioClassifier.from_pretrained()


def test_of_a_model_on_the_hub_the_configuration_comes_first(bert, monkeypatch):
    fetched = []

    def fetch(name, hub_id, patterns):
        fetched.append((hub_id, "model*.safetensors" in patterns))
        return bert

    monkeypatch.setattr(checkpoint, "fetch_files", fetch)
    AudioClassifier.from_pretrained("some/model", device="cpu")
    assert fetched == [("some/model", False), ("some/model", True)]
    change(bert, architectures=["Wav2Vec2BertForCTC"])
    with pytest.raises(InputError, match="model some/model is a Wav2Vec2BertForCTC"):
        AudioClassifier.from_pretrained("some/model")
    assert len(fetched) == 3
