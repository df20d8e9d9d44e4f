"""What is wrong with a checkpoint is told in a line, before its weights are loaded."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from photism import InputError, Transcriber
from photism.listening.transcription import checkpoint
from photism.listening.transcription.vocabulary import Vocabulary
from tests.support.tiny_ctc import CONVOLUTIONS, SIZES, TOKENS, make_tokenizer


@pytest.fixture
def folder(ctc_checkpoints, tmp_path):
    return shutil.copytree(ctc_checkpoints / "w2v-bert", tmp_path / "model")


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    monkeypatch.setattr(checkpoint, "load_weights", lambda *_, **__: pytest.fail("weights were loaded"))


def told(folder):
    with pytest.raises(InputError) as error:
        Transcriber.from_pretrained(folder)
    return str(error.value)


def change(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_no_model_is_bundled_yet(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "BUNDLED", tmp_path / "characters")
    message = told(None)
    assert "model is missing" in message
    assert "facebook/wav2vec2-base-960h" in message


def test_a_bundled_model_is_the_default(monkeypatch, folder):
    monkeypatch.setattr(checkpoint, "BUNDLED", folder)
    monkeypatch.setattr(checkpoint, "load_weights", lambda *_, **__: "loaded")
    assert Transcriber.from_pretrained().acoustic_model.model == "loaded"


def test_no_configuration(tmp_path):
    assert "has no config.json" in told(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "has a config.json that cannot be read" in told(tmp_path)


@pytest.mark.parametrize("name", ["vocab.json", "processor_config.json", "model.safetensors"])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    message = told(folder)
    wanted = {"vocab.json": "must bring its tokenizer", "processor_config.json": "has no feature extractor"}
    wanted = wanted.get(name, "must have its weights as safetensors, of which there are none")
    assert wanted in message


def test_another_kind_of_model(folder):
    change(folder / "config.json", model_type="whisper")
    assert "must be a CTC checkpoint of wav2vec2-bert, " in told(folder)
    assert "it is of the type 'whisper'" in told(folder)


def test_a_head_of_another_task(folder):
    change(folder / "config.json", architectures=["Wav2Vec2BertForSequenceClassification"])
    message = (
        "is a Wav2Vec2BertForSequenceClassification, not a Wav2Vec2BertForCTC: it labels sounds: use photism label"
    )
    assert message in told(folder)
    change(folder / "config.json", architectures=None)
    weights = load_file(folder / "model.safetensors")
    save_file({name: each for name, each in weights.items() if "lm_head" not in name}, folder / "model.safetensors")
    assert "must have a CTC head, lm_head.weight" in told(folder)


def test_a_head_of_another_size_than_the_configuration(folder):
    change(folder / "config.json", vocab_size=len(TOKENS) + 1)
    assert "tokenizer must name each of the 19 outputs of the head; it has 18 tokens" in told(folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"Z": len(TOKENS)}))
    assert "has 18 outputs, but its config.json says vocab_size=19" in told(folder)


@pytest.mark.parametrize("size", [len(TOKENS) - 1, len(TOKENS) + 3])
def test_a_vocabulary_of_another_size(folder, tmp_path, size):
    tokens = (*TOKENS, *"XYZ")[:size]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    assert f"tokenizer must name each of the 18 outputs of the head; it has {size} tokens" in told(folder)


def test_special_tokens_that_were_added_behind_the_head_do_no_harm(tmp_path):
    """Many published vocabularies name no `<s>` and `</s>`, which the tokenizer adds."""
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps({token: index for index, token in enumerate(["[PAD]", "[UNK]", "|", "a", "b"])}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(path), unk_token="[UNK]", pad_token="[PAD]")
    assert len(tokenizer) == 7
    vocabulary = Vocabulary.of(tokenizer, 5)
    assert vocabulary.pieces[2:] == (" ", "a", "b")
    assert vocabulary.unspoken == {1}
    assert Vocabulary.of(tokenizer, 7).unspoken == {1, 5, 6}


def test_a_tokenizer_without_a_blank(tmp_path):
    tokenizer = make_tokenizer(tmp_path)
    tokenizer.pad_token = None
    with pytest.raises(InputError, match="tokenizer must have a padding token, which is the blank of CTC; it has none"):
        Vocabulary.of(tokenizer, len(TOKENS))


def test_pieces_of_words():
    class Tokenizer:
        pad_token_id, all_special_ids = 3, (0, 3)

        def get_vocab(self):
            return {"<unk>": 0, "▁the": 1, "re": 2, "<pad>": 3}

    assert Vocabulary.of(Tokenizer(), 4).pieces[1:3] == (" the", "re")


@pytest.mark.parametrize("kind", ["w2v-bert", "wav2vec2"])
def test_a_wrong_processor(ctc_checkpoints, tmp_path, kind):
    folder = shutil.copytree(ctc_checkpoints / kind, tmp_path / "model")
    other = {"w2v-bert": "wav2vec2", "wav2vec2": "w2v-bert"}[kind]
    shutil.copy(ctc_checkpoints / other / "processor_config.json", folder)
    wanted = {"w2v-bert": "SeamlessM4TFeatureExtractor", "wav2vec2": "Wav2Vec2FeatureExtractor"}[kind]
    assert f"needs a {wanted}" in told(folder)


def test_a_processor_of_another_width_or_rate(ctc_checkpoints, folder, tmp_path):
    transformers.SeamlessM4TFeatureExtractor(stride=4).save_pretrained(folder)
    (folder / "processor_config.json").unlink()
    assert "takes 160 numbers a token, but its feature extractor makes 320" in told(folder)
    folder = shutil.copytree(ctc_checkpoints / "wav2vec2", tmp_path / "telephone")
    (folder / "processor_config.json").unlink()
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    assert "hears at 8000 Hz; only 16000 Hz can be given" in told(folder)


def test_damaged_weights(folder):
    (folder / "model.safetensors").write_bytes(b"nothing")
    assert "cannot be loaded: model.safetensors is damaged" in told(folder)


def test_a_part_that_would_be_random_is_not_taken(folder, monkeypatch):
    monkeypatch.undo()
    weights = load_file(folder / "model.safetensors")
    left_out = "wav2vec2_bert.encoder.layers.1.ffn1.output_dense.bias"
    metadata = {"format": "pt"}
    save_file(
        {name: each for name, each in weights.items() if name != left_out}, folder / "model.safetensors", metadata
    )
    assert f"is not whole: {left_out} would be random; give a trained model" in told(folder)


def test_adapters_beside_the_weights_are_nothing_to_it(folder):
    """As in facebook/mms-1b-all, which brings a head for each of a thousand languages."""
    save_file({"lm_head.weight": torch.zeros(7, 32)}, folder / "adapter.abc.safetensors")
    with pytest.raises(pytest.fail.Exception, match="weights were loaded"):
        Transcriber.from_pretrained(folder)


def test_weights_in_several_files_are_found(folder):
    model = transformers.Wav2Vec2BertForCTC.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    assert (folder / "model.safetensors.index.json").is_file()
    with pytest.raises(pytest.fail.Exception, match="weights were loaded"):
        Transcriber.from_pretrained(folder)


def test_int8_is_refused_where_attention_cannot_take_it(tmp_path):
    config = transformers.WavLMConfig(**SIZES, **CONVOLUTIONS, vocab_size=len(TOKENS))
    model = transformers.WavLMForCTC(config)
    model.save_pretrained(tmp_path)
    make_tokenizer(tmp_path).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="int8 must be left out for wavlm"):
        Transcriber.from_pretrained(tmp_path, int8=True)


@pytest.mark.parametrize(
    ("config", "model"),
    [("WavLMConfig", "WavLMForCTC"), ("UniSpeechSatConfig", "UniSpeechSatForCTC"), ("SEWConfig", "SEWForCTC")],
)
def test_other_kinds_are_heard(tmp_path, monkeypatch, speech, config, model):
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
