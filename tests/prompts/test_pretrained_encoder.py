"""Checkpoints that a training starts from."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2BertConfig

from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from photism.training.head_model import HeadBuilder
from photism.training.settings import ClassifySettings
from tests.support.tiny_audio2img import make_audio2img


def weights_of(pretrained):
    encoder = Wav2Vec2BertModel(pretrained.config)
    pretrained.load_into(encoder)
    return encoder.state_dict()


def test_a_bare_encoder_and_one_with_a_head(bare_encoder, tmp_path):
    expected = load_file(bare_encoder / "model.safetensors")
    torch.testing.assert_close(weights_of(load_pretrained_encoder(str(bare_encoder))), expected, atol=0, rtol=0)
    head = Wav2Vec2BertForSequenceClassification.from_pretrained(bare_encoder, num_labels=3)
    head.half().save_pretrained(tmp_path)
    found = weights_of(load_pretrained_encoder(str(tmp_path)))
    rounded = {name: tensor.half().float() for name, tensor in expected.items()}
    torch.testing.assert_close(found, rounded, atol=0, rtol=0)


def test_a_photism_model(models):
    pretrained = load_pretrained_encoder(str(models / "sd"))
    expected = load_file(models / "sd" / "model.safetensors")
    for name, tensor in weights_of(pretrained).items():
        assert torch.equal(tensor, expected[f"encoder.{name}"]), name
    assert pretrained.features.stride == pretrained.prompt_config.feature_stride


def test_sharded_weights(bare_encoder, tmp_path):
    Wav2Vec2BertModel.from_pretrained(bare_encoder).save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    expected = load_file(bare_encoder / "model.safetensors")
    torch.testing.assert_close(weights_of(load_pretrained_encoder(str(tmp_path))), expected, atol=0, rtol=0)


def test_checkpoints_that_cannot_be_used(bare_encoder, tmp_path):
    shutil.copytree(bare_encoder, tmp_path / "less")
    weights = load_file(bare_encoder / "model.safetensors")
    removed = "encoder.layers.1.self_attn.linear_q.weight"
    save_file({name: each for name, each in weights.items() if name != removed}, tmp_path / "less/model.safetensors")
    with pytest.raises(InputError, match=rf"missing: \['{removed}'\], unexpected: \[\]"):
        weights_of(load_pretrained_encoder(str(tmp_path / "less")))
    (tmp_path / "less" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="has no safetensors weights"):
        load_pretrained_encoder(str(tmp_path / "less"))
    (tmp_path / "less" / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    with pytest.raises(InputError, match=r"must be a Wav2Vec2-BERT or a Photism model; .* has model_type 'whisper'"):
        load_pretrained_encoder(str(tmp_path / "less"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^encoder .* must be a folder with .*has no config\.json"):
        load_pretrained_encoder(str(tmp_path / "empty"))


def test_an_input_width_that_log_mel_cannot_have(bare_encoder, tmp_path):
    config = Wav2Vec2BertConfig.from_pretrained(bare_encoder, feature_projection_input_dim=100)
    Wav2Vec2BertModel(config).save_pretrained(tmp_path / "odd")
    with pytest.raises(InputError, match="its feature_projection_input_dim is 100"):
        load_pretrained_encoder(str(tmp_path / "odd")).features  # noqa: B018


def test_a_checkpoint_that_does_not_fit_or_has_nan_is_refused(bare_encoder, tmp_path):
    shutil.copytree(bare_encoder, tmp_path / "a")
    path, weights = tmp_path / "a/model.safetensors", load_file(bare_encoder / "model.safetensors")
    name = "feature_projection.projection.bias"
    for tensor, message in (
        (torch.zeros(3), rf"encoder .* does not fit its config.json: {name} has the shape \(3,\), but .* \(16,\)"),
        (torch.zeros(16, dtype=torch.int8), rf"encoder .* is quantised: {name} is of type I8, not a float"),
    ):
        save_file({**weights, name: tensor}, path, {"format": "pt"})
        with pytest.raises(InputError, match=message):
            load_pretrained_encoder(str(tmp_path / "a"))
    save_file({**weights, name: torch.full((16,), float("nan"))}, path, {"format": "pt"})
    with pytest.raises(InputError, match=rf"encoder .* is damaged: {name} holds values from nan to nan"):
        weights_of(load_pretrained_encoder(str(tmp_path / "a")))


def test_parts_that_a_fine_tuning_leaves_behind_are_reported(bare_encoder, models, tmp_path):
    Wav2Vec2BertForSequenceClassification.from_pretrained(bare_encoder, num_labels=3).save_pretrained(tmp_path / "head")
    make_audio2img(tmp_path / "audio2img")
    builder = HeadBuilder(Wav2Vec2BertForSequenceClassification, {}, ClassifySettings(data="-", output="-"))
    for folder, left in (
        (bare_encoder, ""),
        (tmp_path / "head", "; its classifier and projector are left behind"),
        (tmp_path / "audio2img", "; its adapter is left behind"),
        (models / "sd", "; its adapter is left behind"),
        (models / "xl", "; its adapter and pooled_projection are left behind"),
    ):
        pretrained = load_pretrained_encoder(str(folder))
        assert builder.start_line(pretrained) == f"the training starts from the encoder of {folder}{left}"
        builder.build(pretrained)
