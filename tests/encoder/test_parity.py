"""Parity with transformers in full tensors: states of every layer, logits, losses and gradients."""

import pytest
import torch

from photism.encoder import attention, kernels
from photism.encoder.kernels import Kernels
from tests.encoder.reference import CLASSES, POSITIONS, TOLERANCE, batch, check_gradients, difference, pair

LENGTHS = {"unpadded": (37, 37), "padded": (37, 12, 25)}
CASES = [(name, padding) for name in CLASSES for padding in LENGTHS]
WRONG = (("ForXVector", "padded"), ("ForAudioFrameClassification", "padded"))
"""Cases in which transformers uses wrong lengths, or counts padding in the loss: see test_differences."""


def labels_for(name, features, config):
    generator = torch.Generator().manual_seed(2)
    count, frames, _ = features.shape
    if name == "ForCTC":
        labels = torch.randint(1, config.vocab_size, (count, 4), generator=generator)
        labels[0, 3] = -100
        return labels
    if name == "ForAudioFrameClassification":
        return torch.eye(config.num_labels)[torch.randint(config.num_labels, (count, frames), generator=generator)]
    return torch.randint(config.num_labels, (count,), generator=generator)


def outputs(name, model, features, mask, **arguments):
    result = model(features, attention_mask=mask, output_hidden_states=True, **arguments)
    first = result.last_hidden_state if name == "Model" else result.logits
    return result, first


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize(("name", "padding"), [case for case in CASES if case != WRONG[0]])
def test_states_and_logits(name, positions, padding, dtype, device):
    ours, reference = (model.to(device, dtype) for model in pair(name, position_embeddings_type=positions))
    features, mask = (each.to(device) for each in batch(LENGTHS[padding]))
    features = features.to(dtype)
    mask = None if padding == "unpadded" else mask
    with torch.no_grad():
        result, found = outputs(name, ours, features, mask)
        expected, wanted = outputs(name, reference, features, mask)
    valid = slice(None) if mask is None else mask.bool()
    per_frame = found.ndim == 3
    assert difference(found[valid] if per_frame else found, wanted[valid] if per_frame else wanted) <= TOLERANCE[dtype]
    assert len(result.hidden_states) == len(expected.hidden_states) == 4
    for layer, (state, wanted_state) in enumerate(zip(result.hidden_states, expected.hidden_states, strict=True)):
        assert difference(state[valid], wanted_state[valid]) <= TOLERANCE[dtype], f"layer {layer}"


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize(("name", "padding"), [case for case in CASES if case[0] != "Model" and case not in WRONG])
def test_losses_and_gradients(name, positions, padding, device):
    models = pair(name, position_embeddings_type=positions, ctc_loss_reduction="mean")
    ours, reference = (model.to(device).train() for model in models)
    features, mask = (each.to(device) for each in batch(LENGTHS[padding]))
    if padding == "unpadded":
        mask = None
    labels = labels_for(name, features, ours.config).to(device)
    loss, wanted = (m(features, attention_mask=mask, labels=labels).loss for m in (ours, reference))
    assert difference(loss, wanted) <= TOLERANCE[torch.float32]
    loss.backward()
    wanted.backward()
    check_gradients(ours, reference)


@pytest.mark.parametrize("shortest", [1, 1000], ids=["oneDNN", "torch"])
@pytest.mark.parametrize("block", [pytest.param(1, marks=pytest.mark.slow), 5, 64])
@pytest.mark.parametrize("positions", POSITIONS)
def test_results_do_not_depend_on_the_length_of_blocks(positions, block, shortest, monkeypatch, device):
    monkeypatch.setattr(kernels, "_current", [Kernels(block_logits=1, block_biases=1)])
    monkeypatch.setattr(attention, "SHORTEST_BLOCK", block)
    monkeypatch.setattr(attention, "SHORTEST_BY_ONEDNN", shortest)
    ours, reference = (model.to(device) for model in pair("Model", position_embeddings_type=positions))
    features, mask = (each.to(device) for each in batch((37, 12, 1)))
    with torch.no_grad():
        found = ours(features, attention_mask=mask).last_hidden_state
        wanted = reference(features, attention_mask=mask).last_hidden_state
    assert difference(found[mask.bool()], wanted[mask.bool()]) <= TOLERANCE[torch.float32]
    for model in (ours, reference):
        (model(features, attention_mask=mask).last_hidden_state * mask[..., None]).square().sum().backward()
    check_gradients(ours, reference)


@pytest.mark.parametrize("positions", POSITIONS)
def test_attentions(positions):
    ours, reference = pair("Model", position_embeddings_type=positions)
    reference.set_attn_implementation("eager")
    features, _mask = batch((19, 19))
    with torch.no_grad():
        found = ours(features, output_attentions=True).attentions
        wanted = reference(features, output_attentions=True).attentions
    assert len(found) == len(wanted) == 3
    for layer, expected in zip(found, wanted, strict=True):
        assert difference(layer, expected) <= TOLERANCE[torch.float32]
    padded = ours(features, attention_mask=batch((19, 7))[1], output_attentions=True).attentions[0]
    torch.testing.assert_close(padded[1, :, :7, :7].sum(-1), torch.ones(4, 7))
    assert not padded[1, :, 7:].any()
    assert not padded[1, :, :, 7:].any()


def test_layerdrop_skips_the_same_layers():
    ours, reference = pair("Model", layerdrop=0.5)
    features, _ = batch((15,))
    for seed in range(6):
        states = []
        for model in (ours.train(), reference.train()):
            torch.manual_seed(seed)
            states.append(model(features).last_hidden_state)
        assert difference(*states) <= TOLERANCE[torch.float32]


def test_masked_tokens_can_be_given_in_evaluation():
    ours, reference = pair("Model", mask_time_prob=0.1)
    features, mask = batch((15, 9))
    masked = torch.rand(2, 15, generator=torch.Generator().manual_seed(3)) < 0.3
    with torch.no_grad():
        found, wanted = (
            m(features, attention_mask=mask, mask_time_indices=masked).last_hidden_state[mask.bool()]
            for m in (ours, reference)
        )
    assert difference(found, wanted) <= TOLERANCE[torch.float32]


@pytest.mark.parametrize("ffn", [False, True])
@pytest.mark.parametrize("width", [32, 40])
def test_adapter(width, ffn, device):
    changes = {
        "add_adapter": True,
        "num_adapter_layers": 2,
        "output_hidden_size": width,
        "use_intermediate_ffn_before_adapter": ffn,
    }
    ours, reference = (model.to(device) for model in pair("Model", **changes))
    features = batch((21, 21))[0].to(device)
    with torch.no_grad():
        assert difference(ours(features)[0], reference(features)[0]) <= TOLERANCE[torch.float32]


def test_adapter_with_the_references_lengths():
    changes = {"add_adapter": True, "adapter_kernel_size": 5, "adapter_stride": 3}
    ours, reference = pair("Model", **changes, adapter_mask="reference")
    states, mask = batch((20, 14), width=32)
    states = states * mask[..., None]
    for model in (ours, reference):  # so that padding is zero in transformers, whose convolutions include it
        model.adapter.layers[0].residual_layer_norm.bias.data.zero_()
        model.adapter.layers[0].self_attn_layer_norm.bias.data.zero_()
    with torch.no_grad():
        found, wanted = (model.adapter(states, attention_mask=mask) for model in (ours, reference))
    assert ours._get_feat_extract_output_lengths(mask.sum(1)).tolist() == [7, 5]
    assert difference(found[1, :5], wanted[1, :5]) <= TOLERANCE[torch.float32]
    assert difference(found[0], wanted[0]) <= TOLERANCE[torch.float32]


def test_a_tuple_on_request():
    ours, reference = pair("ForCTC")
    features, _ = batch((9,))
    found, wanted = (m(features, return_dict=False) for m in (ours, reference))
    assert type(found) is tuple
    assert len(found) == len(wanted)
