"""int8 compared with float32."""

import torch
from torch import nn

from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.int8 import Int8Linear, quantize_int8
from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from tests.encoder.reference import batch, pair


def test_a_layer_differs_by_rounding_only():
    torch.manual_seed(0)
    layer, tokens = nn.Linear(64, 48), torch.randn(2, 9, 64)
    found = Int8Linear(layer.weight, layer.bias)(tokens)
    # Half a quantisation step of each factor, over 64 products whose errors add up at random.
    step = tokens.abs().amax() / 127 * layer.weight.abs().mean() + layer.weight.abs().amax() / 127 * tokens.abs().mean()
    assert (found - layer(tokens)).abs().max() < 0.5 * step * 64**0.5 * 4


def test_zeros_stay_zeros():
    layer = nn.Linear(8, 4, bias=False)
    assert not Int8Linear(layer.weight, None)(torch.zeros(3, 8)).any()
    assert not Int8Linear(torch.zeros(4, 8), None)(torch.randn(3, 8)).any()


def test_int8_of_from_pretrained(tmp_path):
    model, _ = pair("ForCTC")
    model.save_pretrained(tmp_path)
    features, mask = batch((25, 9))
    small = Wav2Vec2BertForCTC.from_pretrained(tmp_path, int8=True)
    assert not any(isinstance(module, nn.Linear) for module in small.modules())
    with torch.no_grad():
        found, wanted = (
            m(features, attention_mask=mask, output_hidden_states=True).hidden_states[-1] for m in (small, model)
        )
    cosine = torch.cosine_similarity(found[mask.bool()], wanted[mask.bool()], dim=-1)
    assert cosine.min() > 0.99


@torch.no_grad()
def test_all_states_of_the_bundled_encoder():
    model = AudioPromptEncoder.from_pretrained(bundled_model(), dtype=torch.float32).eval()
    features, mask = model.extract_features(sorted((bundled_model() / "examples").glob("*.ogg")))
    small = quantize_int8(model.encoder)
    found, wanted = (
        encoder(features.float(), attention_mask=mask, output_hidden_states=True).hidden_states
        for encoder in (small, model.encoder)
    )
    for after, before in zip(found, wanted, strict=True):
        assert torch.cosine_similarity(after[mask.bool()], before[mask.bool()], dim=-1).min() > 0.999
