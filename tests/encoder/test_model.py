"""How the models are called: arguments by position, unknown ones, states and attention weights on request."""

import inspect

import pytest
import torch

import photism
from photism.errors import InputError
from tests.encoder.reference import CLASSES, TOLERANCE, batch, difference, pair, tiny_config


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["Model", "ForCTC"])
def test_gradients_for_hidden_states_and_attentions(name, checkpointing, padded):
    models = pair(name)
    models[1].set_attn_implementation("eager")
    features, mask = batch((14, 9) if padded else (14, 14))
    gradients = []
    for model in models:
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable()
        output = model(features, attention_mask=mask, output_hidden_states=True, output_attentions=True)
        result = (output[0] * mask[..., None]).square().sum()
        output.hidden_states[0].retain_grad()
        states = (*output.hidden_states, *output.attentions)
        gradients.append(torch.autograd.grad(result, states, retain_graph=True, allow_unused=True))
        result.backward()
        assert output.hidden_states[0].grad.any()
    rows = mask.bool()
    for found, wanted in zip(*gradients, strict=True):
        assert found is not None
        pairs = rows[:, None, :, None] & rows[:, None, None] if found.ndim == 4 else rows[..., None]
        found, wanted = found * pairs, wanted * pairs
        assert difference(found, wanted) <= 10 * TOLERANCE[torch.float32]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("selection", [[0, -1], 1, -2, (1,), [0, 9, -9], 0, [], False, True])
def test_selected_hidden_states(name, selection):
    ours, reference = pair(name)
    features, _ = batch((9,))
    found, wanted = (m(features, output_hidden_states=selection).hidden_states for m in (ours, reference))
    if wanted is None:
        assert found is None
        return
    assert [state is None for state in found] == [state is None for state in wanted]
    for state, expected in zip(found, wanted, strict=True):
        assert state is None or difference(state, expected) <= TOLERANCE[torch.float32]


def test_attention_weights_by_the_configuration_of_a_loaded_model(tmp_path):
    ours, _ = pair("Model")
    ours.save_pretrained(tmp_path)
    loaded = photism.Wav2Vec2BertModel.from_pretrained(tmp_path)
    loaded.config.output_attentions = True
    features, _ = batch((9,))
    assert len(loaded(features).attentions) == 3
    for implementation in ("sdpa", "eager", "flex_attention"):
        other = photism.Wav2Vec2BertModel.from_pretrained(tmp_path, attn_implementation=implementation)
        assert other.config._attn_implementation == implementation
        assert difference(other(features)[0], loaded(features)[0]) <= TOLERANCE[torch.float32]


@pytest.mark.parametrize("name", CLASSES)
def test_keyword_arguments_of_other_models_are_ignored(name):
    ours, _ = pair(name)
    features, mask = batch((14, 9))
    result = ours(features, attention_mask=mask, num_items_in_batch=torch.tensor(7), use_cache=False, position_ids=None)
    assert torch.equal(result[0], ours(features, mask)[0])


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_by_position(name):
    ours, _ = pair(name)
    third = "mask_time_indices" if name == "Model" else "labels"
    names = ["input_features", "attention_mask", third, "output_attentions", "output_hidden_states", "return_dict"]
    assert [*inspect.signature(ours.forward).parameters][:6] == names
    features, mask = batch((14, 9))
    output = ours(features, mask, None, True, True, False)
    assert type(output) is tuple
    assert len(output[-1]) == 3
    assert len(output[-2]) == 4
    if name != "Model":
        with pytest.raises(InputError, match="labels, the third argument, must be a tensor; got True"):
            ours(features, mask, True)


def test_target_language_is_accepted(tmp_path):
    ours = photism.Wav2Vec2BertForCTC(tiny_config(), target_lang="eng")
    ours.save_pretrained(tmp_path)
    assert photism.Wav2Vec2BertForCTC.from_pretrained(tmp_path, target_lang="deu").target_lang == "deu"
