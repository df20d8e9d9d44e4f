"""The Auto classes next to those of transformers: the same arguments, Photism's classes."""

import json

import pytest
import torch
import transformers

import photism
from photism import InputError
from photism.encoder.auto_classes import register_auto_classes
from tests.encoder.reference import CLASSES, pair, tiny_config

MODELS = {
    "Model": "AutoModel",
    "ForCTC": "AutoModelForCTC",
    "ForSequenceClassification": "AutoModelForAudioClassification",
    "ForAudioFrameClassification": "AutoModelForAudioFrameClassification",
    "ForXVector": "AutoModelForAudioXVector",
}


@pytest.fixture
def registered():
    """Call `register_auto_classes`, and undo it after the test."""
    mappings = [getattr(transformers, auto)._model_mapping for auto in MODELS.values()]
    register_auto_classes()
    yield
    for mapping in mappings:
        mapping._extra_content.pop(transformers.Wav2Vec2BertConfig, None)


@pytest.mark.parametrize("name", CLASSES)
def test_models_are_loaded_with_the_arguments_of_transformers(name, tmp_path):
    ours, _ = pair(name)
    ours.save_pretrained(tmp_path)
    auto = getattr(photism, MODELS[name])
    expected = getattr(photism, f"Wav2Vec2Bert{name}")
    loaded, report = auto.from_pretrained(
        tmp_path, dtype=torch.bfloat16, output_loading_info=True, layerdrop=0.25, local_files_only=True
    )
    assert type(loaded) is expected
    assert loaded.dtype == torch.bfloat16
    assert loaded.config.layerdrop == 0.25
    assert not report["missing_keys"]
    torch.testing.assert_close(loaded.float().state_dict(), ours.bfloat16().float().state_dict())
    config = tiny_config(num_hidden_layers=1)
    made = auto.from_config(config, dtype=torch.float16)
    assert type(made) is expected
    assert made.dtype == torch.float16
    assert len(made.base_model.encoder.layers) == 1
    assert type(auto.from_pretrained(tmp_path, config=tiny_config(layerdrop=0.5))) is expected
    assert type(getattr(transformers, MODELS[name]).from_config(config)).__module__.startswith("transformers.")


@pytest.mark.parametrize("name", CLASSES)
def test_the_auto_classes_of_transformers_return_our_classes_once_registered(name, tmp_path, registered):
    ours, _ = pair(name)
    ours.save_pretrained(tmp_path)
    assert type(getattr(transformers, MODELS[name]).from_pretrained(tmp_path)) is type(ours)


def test_they_are_not_registered_by_importing():
    mapping = transformers.AutoModel._model_mapping
    assert mapping[transformers.Wav2Vec2BertConfig] is transformers.Wav2Vec2BertModel


def test_a_configuration(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    config, unused = photism.AutoConfig.from_pretrained(tmp_path, layerdrop=0.5, other=1, return_unused_kwargs=True)
    assert type(config) is photism.Wav2Vec2BertConfig
    assert (config.layerdrop, unused["other"]) == (0.5, 1)
    assert photism.AutoConfig.for_model("wav2vec2-bert", hidden_size=32).hidden_size == 32


def save_tokenizer(folder):
    (folder / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(["<pad>", "|", "<unk>", *"abcdefgh"])}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(folder / "vocab.json", pad_token="<pad>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.mark.parametrize("files", ["extractor and tokenizer", "processor", "processor without a model"])
def test_a_processor(tmp_path, files):
    extractor = transformers.SeamlessM4TFeatureExtractor(padding_value=1.0)
    tokenizer = save_tokenizer(tmp_path)
    if files == "extractor and tokenizer":
        extractor.save_pretrained(tmp_path)
    else:
        transformers.Wav2Vec2BertProcessor(extractor, tokenizer).save_pretrained(tmp_path)
    if files != "processor without a model":
        tiny_config().save_pretrained(tmp_path)
    processor = photism.AutoProcessor.from_pretrained(tmp_path)
    assert type(processor) is photism.Wav2Vec2BertProcessor
    assert type(processor.feature_extractor) is photism.Wav2Vec2BertFeatureExtractor
    assert processor.feature_extractor.padding_value == 1.0
    assert processor(text="abba").input_ids == [3, 4, 4, 3]
    found = photism.AutoFeatureExtractor.from_pretrained(tmp_path, padding_value=2.0)
    assert type(found) is photism.Wav2Vec2BertFeatureExtractor
    assert found.padding_value == 2.0


def test_a_checkpoint_without_a_tokenizer_has_its_feature_extractor_as_processor(tmp_path):
    """As transformers does it where there is no model, while its AutoProcessor fails where there is one."""
    transformers.SeamlessM4TFeatureExtractor(padding_value=1.0).save_pretrained(tmp_path)
    assert type(transformers.AutoProcessor.from_pretrained(tmp_path)) is transformers.SeamlessM4TFeatureExtractor
    assert type(photism.AutoProcessor.from_pretrained(tmp_path)) is photism.Wav2Vec2BertFeatureExtractor
    tiny_config().save_pretrained(tmp_path)
    with pytest.raises(TypeError):
        transformers.AutoProcessor.from_pretrained(tmp_path)
    assert photism.AutoProcessor.from_pretrained(tmp_path).padding_value == 1.0


def test_a_feature_extractor_whose_type_is_not_stated(tmp_path):
    """transformers takes one of raw samples for Wav2Vec2-BERT then."""
    tiny_config().save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"padding_value": 1.0}))
    assert type(transformers.AutoFeatureExtractor.from_pretrained(tmp_path)) is transformers.Wav2Vec2FeatureExtractor
    assert type(photism.AutoFeatureExtractor.from_pretrained(tmp_path)) is photism.Wav2Vec2BertFeatureExtractor
    save_tokenizer(tmp_path)
    extractor = photism.AutoProcessor.from_pretrained(tmp_path).feature_extractor
    assert type(extractor) is photism.Wav2Vec2BertFeatureExtractor


@pytest.mark.parametrize("auto", [*MODELS.values(), "AutoConfig", "AutoFeatureExtractor", "AutoProcessor"])
def test_another_architecture_is_an_error_that_names_the_class_for_it(tmp_path, auto):
    config = transformers.WhisperConfig()
    config.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    words = f"model_type 'whisper', but photism.{auto} loads 'wav2vec2-bert' only; transformers.{auto} loads it"
    with pytest.raises(InputError, match=words):
        getattr(photism, auto).from_pretrained(tmp_path)
    if auto in MODELS.values():
        with pytest.raises(InputError, match=words):
            getattr(photism, auto).from_config(config)


def test_another_model_type_and_feature_extractor_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"model_type 'clip', but photism\.AutoConfig loads"):
        photism.AutoConfig.for_model("clip")
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    words = "has a WhisperFeatureExtractor, but photism.AutoFeatureExtractor loads a SeamlessM4TFeatureExtractor only"
    for auto in (photism.AutoFeatureExtractor, photism.AutoProcessor):
        with pytest.raises(InputError, match=words):
            auto.from_pretrained(tmp_path)
