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


@pytest.mark.parametrize("name", CLASSES[1:])
def test_heads_pass_keyword_arguments_to_the_encoder(name):
    models = pair(name, mask_time_prob=0.1)
    features, _ = batch((14, 14))
    masked = torch.zeros(2, 14, dtype=torch.bool)
    masked[:, 3:6] = True
    found, wanted = (model(features, mask_time_indices=masked).logits for model in models)
    assert difference(found, wanted) <= TOLERANCE[torch.float32]
    assert difference(models[0](features).logits, wanted) > 0.01


@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
def test_reductions_of_the_ctc_loss(reduction):
    features, mask = batch((14, 9))
    labels = torch.tensor([[1, 2, 3], [4, -100, 0]])
    found, wanted = (
        model(features, attention_mask=mask, labels=labels).loss
        for model in pair("ForCTC", ctc_loss_reduction=reduction)
    )
    torch.testing.assert_close(found, wanted)
    with pytest.raises(InputError, match='ctc_loss_reduction must be "sum", "mean" or "none"; got \'average\''):
        pair("ForCTC", ctc_loss_reduction="average")[0](features, labels=labels)


def test_one_hot_labels_of_any_shape():
    features, _ = batch((14, 14))
    labels = torch.eye(5)[torch.arange(28) % 5]
    found, wanted = (model(features, labels=labels).loss for model in pair("ForAudioFrameClassification"))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("changes", [{}, {"output_hidden_size": 40}, {"use_weighted_layer_sum": True}])
def test_x_vectors_after_an_adapter(changes):
    ours = photism.Wav2Vec2BertForXVector(tiny_config(add_adapter=True, **changes)).eval()
    features, mask = batch((40, 23))
    together = ours(features, attention_mask=mask).embeddings
    assert difference(together[1:], ours(features[1:, :23]).embeddings) <= 2e-5
    if not changes:
        ours, reference = pair("ForXVector", add_adapter=True)
        assert difference(ours(features).embeddings, reference(features).embeddings) <= TOLERANCE[torch.float32]


def test_fewer_layers_of_the_time_delay_network_than_kernels():
    ours, reference = pair("ForXVector", tdnn_dim=[16, 24], tdnn_kernel=[3, 3, 5], tdnn_dilation=[1, 2, 4])
    assert ours.receptive_field == 7
    features, _ = batch((20,))
    assert difference(ours(features).embeddings, reference(features).embeddings) <= TOLERANCE[torch.float32]


def test_target_language_is_accepted(tmp_path):
    ours = photism.Wav2Vec2BertForCTC(tiny_config(), target_lang="eng")
    ours.save_pretrained(tmp_path)
    assert photism.Wav2Vec2BertForCTC.from_pretrained(tmp_path, target_lang="deu").target_lang == "deu"
