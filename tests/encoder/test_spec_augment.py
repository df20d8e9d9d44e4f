"""Masks of SpecAugment, next to those of transformers."""

import numpy as np
import pytest
import torch
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import _compute_mask_indices

from photism.encoder.spec_augment import compute_mask_indices
from tests.encoder.reference import batch, difference, pair


@pytest.mark.parametrize("prob", [0.05, 0.3])
@pytest.mark.parametrize("length", [3, 10])
def test_masks_of_ordinary_clips_are_those_of_transformers(prob, length):
    lengths, size = (120, 64, 31), 120
    padding = (torch.arange(size) < torch.tensor(lengths)[:, None]).long()
    for seed in range(5):
        np.random.seed(seed)
        found = compute_mask_indices(lengths, size, mask_prob=prob, mask_length=length, min_masks=2)
        np.random.seed(seed)
        wanted = _compute_mask_indices((3, size), prob, length, attention_mask=padding, min_masks=2)
        assert found.tolist() == wanted.tolist()


def test_masks_do_not_depend_on_the_padding():
    """Attention weights need the padding; the batch is computed without it otherwise."""
    model, _ = pair("Model", mask_time_prob=0.3, mask_time_length=3, mask_feature_prob=0.2, mask_feature_length=4)
    features, mask = batch((40, 22, 31))
    states = []
    for weights in (False, True):
        np.random.seed(3)
        states.append(model.train()(features, attention_mask=mask, output_attentions=weights).last_hidden_state)
    assert difference(*states) <= 2e-5
    assert difference(states[0], model.eval()(features, attention_mask=mask).last_hidden_state) > 0.01


def test_some_of_each_clip_remains():
    lengths = tuple(range(41))
    for seed in range(20):
        np.random.seed(seed)
        masked = compute_mask_indices(lengths, 40, mask_prob=0.9, mask_length=10, min_masks=2).sum(1)
        assert not masked[:11].any()
        assert all(10 <= hidden < length for length, hidden in zip(lengths[11:], masked[11:].tolist(), strict=True))
