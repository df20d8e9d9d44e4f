"""Faults of transformers, and what Photism does instead, as docs/differences.md describes."""

import numpy as np
import pytest
import torch

from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from tests.encoder.reference import CLASSES, POSITIONS, batch, difference, pair, tiny_config

ALONE = 2e-5


def first(output):
    return output.logits if "logits" in output else output.last_hidden_state


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("name", CLASSES)
def test_a_clip_does_not_depend_on_its_batch(name, positions, side):
    ours, _ = pair(name, position_embeddings_type=positions)
    lengths = (23, 9, 16, 2)
    features, mask = batch(lengths)
    if side == "left":
        features, mask = features.flip(1), mask.flip(1)
    with torch.no_grad():
        together = first(ours(features, attention_mask=mask))
        for item, length in enumerate(lengths):
            kept = slice(None, length) if side == "right" else slice(-length, None)
            alone = first(ours(features[item : item + 1, kept]))[0]
            found = together[item, kept] if together.ndim == 3 else together[item]
            assert difference(found, alone) <= ALONE


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 3), (7, 4)])
def test_the_adapters_output_does_not_depend_on_padding(kernel, stride, side):
    changes = {"add_adapter": True, "num_adapter_layers": 2, "adapter_kernel_size": kernel, "adapter_stride": stride}
    ours, reference = pair("Model", **changes)
    lengths = (33, 19, 28)
    features, mask = batch(lengths)
    shown = mask if side == "right" else mask.flip(1)
    worst = 0.0
    with torch.no_grad():
        for model in (ours, reference):
            together = model(features if side == "right" else features.flip(1), attention_mask=shown).last_hidden_state
            for item, length in enumerate(lengths):
                clip = features[item : item + 1, :length]
                alone = model(clip if side == "right" else clip.flip(1)).last_hidden_state[0]
                error = difference(together[item, : len(alone)], alone)
                if model is ours:
                    assert error <= ALONE
                    assert not together[item, len(alone) :].any()
                    assert int(ours._get_feat_extract_output_lengths(torch.tensor(length))) == len(alone)
                    assert ours._get_feat_extract_output_lengths(length) == len(alone)
                else:
                    worst = max(worst, error)
        mask_of_output = ours._get_feature_vector_attention_mask(together.shape[1], shown)
        assert torch.equal(mask_of_output, ours(features, attention_mask=mask)[0].any(-1))
    assert worst > 0.01


@pytest.mark.parametrize("changes", [{}, {"add_adapter": True}])
def test_the_ctc_loss_does_not_depend_on_the_side_of_the_padding(changes):
    ours, _ = pair("ForCTC", **changes)
    features, mask = batch((23, 9, 16))
    labels = torch.tensor([[1, 2, 3], [4, 5, -100], [6, -100, -100]])
    moved = torch.stack([torch.roll(f, -int(m.sum()), 0) for f, m in zip(features, mask, strict=True)])
    with torch.no_grad():
        found = ours(moved, attention_mask=mask.flip(1), labels=labels).loss
        torch.testing.assert_close(found, ours(features, attention_mask=mask, labels=labels).loss)


def test_x_vectors_of_padded_clips():
    ours, reference = pair("ForXVector")
    features, mask = batch((30, 17))
    with torch.no_grad():
        alone = reference(features[1:, :17]).embeddings
        assert difference(ours(features, attention_mask=mask).embeddings[1:], alone) <= ALONE
        # Its lengths ignore the dilation, and so include outputs of padding.
        assert difference(reference(features, attention_mask=mask).embeddings[1:], alone) > 1e-3


def test_a_new_x_vector_head_keeps_the_variance():
    for layer in Wav2Vec2BertForXVector(tiny_config()).tdnn:
        weight = layer.kernel.weight
        assert weight.std().item() == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.1)


def test_x_vectors_of_short_clips():
    ours, reference = pair("ForXVector")  # the receptive field is 7 tokens
    for length in (1, 6, 7):
        features, _ = batch((length,))
        output = ours(features, labels=torch.tensor([1]))
        output.loss.backward()
        assert output.embeddings.isfinite().all()
        assert all(p.grad.isfinite().all() for p in ours.parameters() if p.grad is not None)
        if length < 7:
            with pytest.raises(RuntimeError):
                reference(features)
        else:
            assert reference(features).embeddings.isnan().all()


def test_regression_and_multi_label_losses():
    for changes, labels in (
        ({"num_labels": 1}, torch.tensor([0.5, -1.0])),
        ({"num_labels": 3, "problem_type": "regression"}, torch.randn(2, 3)),
        ({"problem_type": "multi_label_classification"}, torch.tensor([[1.0, 0, 1, 0, 0], [0, 0, 0, 0, 1]])),
    ):
        ours, reference = pair("ForSequenceClassification", **changes)
        features, _ = batch((9, 9))
        output = ours(features, labels=labels)
        if changes.get("problem_type") == "multi_label_classification":
            wanted = -(labels * output.logits.sigmoid().log() + (1 - labels) * (1 - output.logits.sigmoid()).log())
        else:
            wanted = (output.logits - labels.view_as(output.logits)) ** 2
        torch.testing.assert_close(output.loss, wanted.mean())
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            reference(features, labels=labels)


@pytest.mark.parametrize("name", CLASSES[2:])
def test_the_weighted_sum_of_layers_with_layerdrop(name):
    ours, reference = pair(name, use_weighted_layer_sum=True, layerdrop=1.0)
    features, _ = batch((21,))
    assert first(ours.train()(features)).isfinite().all()
    with pytest.raises(RuntimeError):
        reference.train()(features)
    with torch.no_grad():
        assert difference(first(ours.eval()(features)), first(reference.eval()(features))) <= ALONE


def test_hidden_states_are_returned_on_request_only():
    ours, _reference = pair("ForSequenceClassification", use_weighted_layer_sum=True)
    features, _ = batch((9,))
    assert ours(features).hidden_states is None
    assert len(ours(features, output_hidden_states=True).hidden_states) == 4


def test_spec_augment_of_a_clip_no_longer_than_a_span():
    """Transformers masks 10 of 10 tokens, and in this batch 11 of 11; Photism leaves such clips something to learn."""
    ours, reference = pair("Model", mask_time_prob=0.05)
    features, mask = batch((40, 11, 10, 4))
    expected = ours(features, attention_mask=mask).last_hidden_state
    np.random.seed(0)
    masked = ours.train()(features, attention_mask=mask).last_hidden_state
    assert difference(masked[0], expected[0]) > 0.01
    assert difference(masked[1], expected[1]) > 0.01
    assert difference(masked[2:], expected[2:]) <= ALONE
    with pytest.raises(ValueError, match="mask_length"):
        reference.train()(features[3:, :4])
    assert difference(ours(features[3:, :4]).last_hidden_state[0], expected[3, :4]) <= ALONE


def test_frame_labels_by_class_and_without_padding():
    ours, _ = pair("ForAudioFrameClassification")
    features, mask = batch((12, 5))
    classes = torch.randint(5, (2, 12), generator=torch.Generator().manual_seed(4))
    one_hot = torch.nn.functional.one_hot(classes, 5)
    loss = ours(features, attention_mask=mask, labels=classes).loss
    torch.testing.assert_close(ours(features, attention_mask=mask, labels=one_hot).loss, loss)
    classes[1, 5:] = -100
    torch.testing.assert_close(ours(features, labels=classes, attention_mask=mask).loss, loss)
    multi_label = one_hot.float()
    multi_label[0, 0] = 1
    ours.config.problem_type = "multi_label_classification"
    assert ours(features, attention_mask=mask, labels=multi_label).loss.isfinite()


def test_invalid_shapes_are_rejected():
    ours, _ = pair("Model")
    features, mask = batch((9, 9))
    with pytest.raises(InputError, match=r"attention_mask must be \(2, 9\)"):
        ours(features, attention_mask=mask[:, :5])
    with pytest.raises(InputError, match=r"input_features must be \(B, F, 20\)"):
        ours(features[..., :10])
