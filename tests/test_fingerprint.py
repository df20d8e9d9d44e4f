"""Fingerprints of models: what changes one, and what does not."""

import pytest
import torch
from torch import nn

from photism.fingerprint import combine, model_fingerprint


def make_model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 300), nn.LayerNorm(300))


def test_a_fingerprint_is_of_the_weights():
    model, same, other = make_model(), make_model(), make_model(1)
    assert model_fingerprint(model) == model_fingerprint(same) != model_fingerprint(other)
    assert len(model_fingerprint(model)) == 16
    with torch.no_grad():
        same[0].weight *= 1.001
    assert model_fingerprint(model) != model_fingerprint(same)


def test_a_fingerprint_does_not_depend_on_how_the_same_values_are_held():
    model = make_model().half()
    before = model_fingerprint(model)
    assert model_fingerprint(model.float()) == before
    assert model_fingerprint(model.train().requires_grad_(False)) == before


@pytest.mark.cuda
def test_a_fingerprint_does_not_depend_on_the_device():
    assert model_fingerprint(make_model().cuda()) == model_fingerprint(make_model())


def test_an_embedding_that_is_random_in_each_load_does_not_count():
    one, other = make_model(), make_model()
    one.masked_spec_embed, other.masked_spec_embed = nn.Parameter(torch.rand(3)), nn.Parameter(torch.rand(3))
    assert model_fingerprint(one) == model_fingerprint(other)


def make_encoder(**changed):
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = Wav2Vec2BertConfig(**{**sizes, "output_hidden_size": 16, "position_embeddings_type": None, **changed})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Wav2Vec2BertModel(config)


def test_a_configuration_counts_without_its_paths_versions_and_dtype():
    before = model_fingerprint(make_encoder())
    changes = ({"layer_norm_eps": 1e-3}, {"num_attention_heads": 4}, {"hidden_act": "gelu"})
    assert len({before, *(model_fingerprint(make_encoder(**each)) for each in changes)}) == 4
    model = make_encoder()
    model.config.name_or_path, model.config.dtype, model.config.architectures = "elsewhere", torch.float16, ["Other"]
    model.config.transformers_version = "6"
    assert model_fingerprint(model) == before


def test_a_configuration_within_another_or_of_diffusers_counts():
    from photism.prompts.encoder_config import AudioPromptEncoderConfig

    def fingerprint(config):
        model = make_model()
        model.config = config
        return model_fingerprint(model)

    inner = [
        AudioPromptEncoderConfig(encoder=make_encoder(**each).config.to_dict())
        for each in ({}, {}, {"layer_norm_eps": 1e-3})
    ]
    inner[1].encoder |= {"dtype": "float16", "transformers_version": "6"}
    assert fingerprint(inner[0]) == fingerprint(inner[1]) != fingerprint(inner[2])
    plain = {"norm_eps": 1e-5, "_diffusers_version": "0.42.1", "_name_or_path": "a"}
    assert fingerprint(plain) == fingerprint({**plain, "_name_or_path": "b"}) != fingerprint({**plain, "norm_eps": 1.0})


def test_parts_are_combined_in_order_and_without_running_into_each_other():
    assert combine("a", 1) == combine("a", 1)
    assert len({combine("a", 1), combine(1, "a"), combine("a1"), combine("a", "1"), combine("a\n1")}) == 5
