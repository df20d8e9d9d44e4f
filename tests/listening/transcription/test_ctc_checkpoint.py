"""CTC checkpoints that do not fit are refused before weights are loaded."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from photism import InputError, Transcriber
from photism.listening.transcription import ctc_checkpoint
from photism.listening.transcription.vocabulary import Vocabulary
from tests.support.tiny_ctc import CONVOLUTIONS, SIZES, TOKENS, make_tokenizer


@pytest.fixture
def folder(ctc_checkpoints, tmp_path):
    return shutil.copytree(ctc_checkpoints / "w2v-bert", tmp_path / "model")


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    monkeypatch.setattr(ctc_checkpoint, "load_weights", lambda *_, **__: pytest.fail("weights were loaded"))


def refusal(folder):
    with pytest.raises(InputError) as error:
        Transcriber.from_pretrained(folder)
    return str(error.value)


def change(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_a_model_must_be_given():
    message = refusal(None)
    assert "model is missing" in message
    assert "facebook/wav2vec2-base-960h" in message


@pytest.mark.parametrize("name", ["vocab.json", "processor_config.json", "model.safetensors"])
def test_a_missing_file_is_an_error(folder, name):
    (folder / name).unlink()
    message = refusal(folder)
    expected = {"vocab.json": "has no tokenizer; save its vocab.json", "processor_config.json": "no feature extractor"}
    assert expected.get(name, "has no safetensors weights, and pickled weights are not read") in message


def test_another_model_type_is_refused(folder):
    change(folder / "config.json", model_type="whisper")
    assert "is a sequence-to-sequence model, such as Whisper; Photism transcribes with CTC models only" in refusal(
        folder
    )
    change(folder / "config.json", model_type="bert")
    message = "has model_type 'bert'; a CTC checkpoint must be one of wav2vec2-bert, data2vec-audio, hubert"
    assert message in refusal(folder)


def test_another_head_is_refused(folder):
    change(folder / "config.json", architectures=["Wav2Vec2BertForSequenceClassification"])
    message = "is a Wav2Vec2BertForSequenceClassification, not a Wav2Vec2BertForCTC: it classifies recordings; use"
    assert message in refusal(folder)
    change(folder / "config.json", architectures=None)
    weights = load_file(folder / "model.safetensors")
    save_file({name: each for name, each in weights.items() if "lm_head" not in name}, folder / "model.safetensors")
    assert "has no CTC head: lm_head.weight is not among its weights" in refusal(folder)


def test_a_head_of_another_size_than_vocab_size_is_refused(folder):
    change(folder / "config.json", vocab_size=len(TOKENS) + 1)
    assert "tokenizer must name each of the 19 outputs of the head; it has 18 tokens" in refusal(folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"Z": len(TOKENS)}))
    assert "has a CTC head of 18 outputs, but vocab_size=19 in its config.json" in refusal(folder)


@pytest.mark.parametrize("size", [len(TOKENS) - 1, len(TOKENS) + 3])
def test_a_vocabulary_of_another_size_is_refused(folder, tmp_path, size):
    tokens = (*TOKENS, *"XYZ")[:size]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    assert f"tokenizer must name each of the 18 outputs of the head; it has {size} tokens" in refusal(folder)


def test_numbers_of_tokens_that_are_not_integers_are_refused(folder):
    (folder / "vocab.json").write_text(json.dumps({token: str(index) for index, token in enumerate(TOKENS)}))
    assert "tokenizer must number its tokens by integers; its vocab.json has other numbers" in refusal(folder)


@pytest.mark.parametrize(("change_vocabulary", "ignored"), [("gap", {1, 2, 3, 5}), ("two names", {1, 2, 3})])
def test_a_vocabulary_is_read_as_transformers_reads_it(tmp_path, change_vocabulary, ignored):
    """Check a number without a token, which is unknown, and one with two, the last of which is used."""
    vocabulary = {token: index for index, token in enumerate(TOKENS) if index != 5 or change_vocabulary != "gap"}
    if change_vocabulary == "two names":
        vocabulary["é"] = 5
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    found = Vocabulary.from_tokenizer(tokenizer, len(TOKENS))
    assert found.ignored_ids == ignored
    assert list(found.tokens[5:]) == tokenizer.convert_ids_to_tokens(list(range(5, len(TOKENS))))


def test_special_tokens_that_the_tokenizer_appends_are_ignored(tmp_path):
    """Check vocabularies without `<s>` and `</s>`, which many published ones lack and the tokenizer adds."""
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps({token: index for index, token in enumerate(["[PAD]", "[UNK]", "|", "a", "b"])}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(path), unk_token="[UNK]", pad_token="[PAD]")
    assert len(tokenizer) == 7
    vocabulary = Vocabulary.from_tokenizer(tokenizer, 5)
    assert vocabulary.tokens[2:] == (" ", "a", "b")
    assert vocabulary.ignored_ids == {1}
    assert Vocabulary.from_tokenizer(tokenizer, 7).ignored_ids == {1, 5, 6}


@pytest.mark.parametrize(("token", "delimiter"), [(" ", " "), ("Z", "|")])
def test_the_text_is_that_of_transformers_whatever_the_delimiter(folder, monkeypatch, speech, token, delimiter):
    """Check a space as delimiter, and one that the vocabulary lacks, so that its number is behind the head."""
    monkeypatch.undo()
    path = folder / "vocab.json"
    path.write_text(json.dumps({token if name == "|" else name: n for name, n in json.loads(path.read_text()).items()}))
    change(folder / "tokenizer_config.json", word_delimiter_token=delimiter, added_tokens_decoder={})
    expected = transformers.pipeline("automatic-speech-recognition", model=str(folder))(speech)["text"]
    assert (" " in expected) == (token == " ")
    transcriber = Transcriber.from_pretrained(folder)
    assert transcriber(speech).text == " ".join(expected.split())
    assert transcriber(speech, beams=3, hot_words=["OAT"]).text


def test_a_tokenizer_without_a_blank_is_refused(tmp_path):
    tokenizer = make_tokenizer(tmp_path)
    tokenizer.pad_token = None
    with pytest.raises(InputError, match="tokenizer must have a padding token, which is the blank of CTC; it has none"):
        Vocabulary.from_tokenizer(tokenizer, len(TOKENS))


def test_subword_tokens():
    class Tokenizer:
        pad_token_id, all_special_ids = 3, (0, 3)

        def get_vocab(self):
            return {"<unk>": 0, "▁the": 1, "re": 2, "<pad>": 3}

        def convert_ids_to_tokens(self, index):
            return list(self.get_vocab())[index]

    assert Vocabulary.from_tokenizer(Tokenizer(), 4).tokens[1:3] == (" the", "re")


@pytest.mark.parametrize("kind", ["w2v-bert", "wav2vec2"])
def test_the_feature_extractor_of_another_architecture_is_refused(ctc_checkpoints, tmp_path, kind):
    folder = shutil.copytree(ctc_checkpoints / kind, tmp_path / "model")
    other = {"w2v-bert": "wav2vec2", "wav2vec2": "w2v-bert"}[kind]
    shutil.copy(ctc_checkpoints / other / "processor_config.json", folder)
    expected = {"w2v-bert": "SeamlessM4TFeatureExtractor", "wav2vec2": "Wav2Vec2FeatureExtractor"}[kind]
    assert f"needs a {expected}" in refusal(folder)


def test_a_feature_extractor_of_another_stride_or_sampling_rate_is_refused(ctc_checkpoints, folder, tmp_path):
    transformers.SeamlessM4TFeatureExtractor(stride=4).save_pretrained(folder)
    (folder / "processor_config.json").unlink()
    assert "accepts 160 features per token, but its feature extractor makes 320" in refusal(folder)
    folder = shutil.copytree(ctc_checkpoints / "wav2vec2", tmp_path / "telephone")
    (folder / "processor_config.json").unlink()
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    assert "expects 8000 Hz; only 16000 Hz is supported" in refusal(folder)


def test_damaged_weights_are_an_error(folder):
    (folder / "model.safetensors").write_bytes(b"nothing")
    assert "cannot be loaded: model.safetensors is damaged" in refusal(folder)


def test_missing_weights_are_an_error(folder, monkeypatch):
    monkeypatch.undo()
    weights = load_file(folder / "model.safetensors")
    missing = "wav2vec2_bert.encoder.layers.1.ffn1.output_dense.bias"
    kept = {name: each for name, each in weights.items() if name != missing}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    assert f"is incomplete: it lacks {missing}; give a trained model" in refusal(folder)


def test_adapters_in_the_same_folder_are_not_read(folder):
    """Check a folder like that of facebook/mms-1b-all, which has a head for each of a thousand languages."""
    save_file({"lm_head.weight": torch.zeros(7, 32)}, folder / "adapter.abc.safetensors")
    with pytest.raises(pytest.fail.Exception, match="weights were loaded"):
        Transcriber.from_pretrained(folder)


def test_sharded_weights_are_found(folder):
    model = transformers.Wav2Vec2BertForCTC.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    assert (folder / "model.safetensors.index.json").is_file()
    with pytest.raises(pytest.fail.Exception, match="weights were loaded"):
        Transcriber.from_pretrained(folder)


def test_int8_and_bf16_are_refused_where_attention_reads_the_weights_itself(tmp_path):
    config = transformers.WavLMConfig(**SIZES, **CONVOLUTIONS, vocab_size=len(TOKENS))
    model = transformers.WavLMForCTC(config)
    model.save_pretrained(tmp_path)
    make_tokenizer(tmp_path).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    for precision in ("bf16", "int8"):
        with pytest.raises(InputError, match=f"precision must be float32 for wavlm; got {precision}"):
            Transcriber.from_pretrained(tmp_path, precision=precision)
    with pytest.raises(InputError, match="int8 cannot be combined with precision bf16; give one of them"):
        Transcriber.from_pretrained(tmp_path, precision="bf16", int8=True)


@pytest.mark.parametrize(
    ("config", "model"),
    [("WavLMConfig", "WavLMForCTC"), ("UniSpeechSatConfig", "UniSpeechSatForCTC"), ("SEWConfig", "SEWForCTC")],
)
def test_other_architectures_are_transcribed(tmp_path, monkeypatch, speech, config, model):
    monkeypatch.undo()
    sizes = SIZES | CONVOLUTIONS | {"vocab_size": len(TOKENS)}
    if model == "SEWForCTC":
        sizes |= {"conv_dim": (16,) * 13}
    torch.manual_seed(0)
    getattr(transformers, model)(getattr(transformers, config)(**sizes)).save_pretrained(tmp_path)
    make_tokenizer(tmp_path).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    transcriber = Transcriber.from_pretrained(tmp_path)
    assert transcriber.acoustic_model.frame_s == 0.02
    assert transcriber(speech).windows == 1
    assert transcriber(speech.repeat(3), window_s=1.0).windows > 1
