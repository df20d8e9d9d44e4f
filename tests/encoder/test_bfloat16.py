"""bfloat16 products compared with float32."""

import copy
import pickle

import pytest
import torch
from torch import nn

from photism.encoder import bfloat16
from photism.encoder.bfloat16 import BFloat16Linear, convert_to_bfloat16, multiplies_bfloat16
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.precision import with_precision
from photism.errors import ModelWarning
from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.settings import SettingError
from tests.encoder.reference import POSITIONS, batch, pair

needs_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(), reason="this CPU has no instructions for products of bfloat16"
)


@needs_bfloat16
@pytest.mark.parametrize("positions", POSITIONS)
@torch.no_grad()
def test_states_stay_float32_and_close(positions, monkeypatch):
    monkeypatch.setattr("photism.encoder.attention.SHORTEST_BY_ONEDNN", 20)  # in bands for one of the clips
    monkeypatch.setattr("photism.encoder.banded_attention.BLOCK_QUERIES", 10)
    model, _ = pair("Model", position_embeddings_type=positions)
    features, mask = batch((25, 9))
    arguments = {"attention_mask": mask, "output_hidden_states": True}
    before = [weight.clone() for weight in model.parameters()]
    found = convert_to_bfloat16(model)(features, **arguments).hidden_states
    assert all(weight.equal(kept) for weight, kept in zip(model.parameters(), before, strict=True))
    wanted = model(features, **arguments).hidden_states
    assert not torch.equal(found[-1], wanted[-1])
    for after, exact in zip(found, wanted, strict=True):
        assert after.dtype == torch.float32
        assert torch.cosine_similarity(after[mask.bool()], exact[mask.bool()], dim=-1).min() > 0.9999


@needs_bfloat16
@torch.no_grad()
def test_all_states_of_the_bundled_encoder():
    model = AudioPromptEncoder.from_pretrained(bundled_model(), dtype=torch.float32).eval()
    features, mask = model.extract_features(sorted((bundled_model() / "examples").glob("*.ogg")))
    found, wanted = (
        encoder(features.float(), attention_mask=mask, output_hidden_states=True).hidden_states
        for encoder in (convert_to_bfloat16(model.encoder), model.encoder)
    )
    for after, exact in zip(found, wanted, strict=True):
        assert torch.cosine_similarity(after[mask.bool()], exact[mask.bool()], dim=-1).min() > 0.9999


@needs_bfloat16
def test_copies_and_pickles_compute_the_same():
    torch.manual_seed(0)
    layer, tokens = nn.Linear(24, 16), torch.randn(2, 5, 24)
    converted = BFloat16Linear(layer.weight, layer.bias)
    wanted = converted(tokens)
    torch.testing.assert_close(wanted, layer(tokens), rtol=0.02, atol=0.02)
    assert copy.deepcopy(converted)(tokens).equal(wanted)
    assert pickle.loads(pickle.dumps(converted))(tokens).equal(wanted)
    torch.testing.assert_close(converted(tokens, "swish"), nn.functional.silu(wanted), rtol=0.02, atol=0.02)


@needs_bfloat16
def test_precision_of_from_pretrained(tmp_path):
    model, _ = pair("ForCTC")
    model.save_pretrained(tmp_path)
    converted = Wav2Vec2BertForCTC.from_pretrained(tmp_path, precision="bf16")
    assert any(isinstance(module, BFloat16Linear) for module in converted.modules())
    assert type(converted.lm_head) is nn.Linear
    plain = Wav2Vec2BertForCTC.from_pretrained(tmp_path, precision="float32")
    assert not any(isinstance(module, BFloat16Linear) for module in plain.modules())


def test_a_cpu_without_bfloat16_computes_in_float32_and_says_so(monkeypatch):
    model, _ = pair("Model")
    monkeypatch.setattr(bfloat16, "multiplies_bfloat16", lambda: False)
    with pytest.warns(ModelWarning, match="precision bf16 gains nothing on this CPU, which has neither AVX-512 BF16"):
        assert with_precision(model, "bf16") is model
    assert with_precision(model, "float32") is model


def test_a_precision_that_does_not_exist_or_does_not_fit_is_refused():
    model, _ = pair("Model")
    with pytest.raises(SettingError, match="precision must be one of float32, bf16, int8; got fp8"):
        with_precision(model, "fp8")
    with pytest.raises(SettingError, match="precision bf16 needs the CPU and float32; got device=cpu"):
        with_precision(model.bfloat16(), "bf16")
