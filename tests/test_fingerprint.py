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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_fingerprint_does_not_depend_on_the_device():
    assert model_fingerprint(make_model().cuda()) == model_fingerprint(make_model())


def test_an_embedding_that_is_random_in_each_load_does_not_count():
    one, other = make_model(), make_model()
    one.masked_spec_embed, other.masked_spec_embed = nn.Parameter(torch.rand(3)), nn.Parameter(torch.rand(3))
    assert model_fingerprint(one) == model_fingerprint(other)


def test_parts_are_combined_in_order_and_without_running_into_each_other():
    assert combine("a", 1) == combine("a", 1)
    assert len({combine("a", 1), combine(1, "a"), combine("a1"), combine("a", "1"), combine("a\n1")}) == 5
