"""The gradient of a batch in micro-batches compared with that of the whole batch."""

import pytest
import torch
from torch import Tensor, nn

from photism.prompts.losses import LearnedTemperature, sequence_contrastive_loss
from photism.training.gradients import backward_outputs, backward_sum, compute_outputs, output_gradients
from photism.training.microbatches import set_seed

B, S, D = 7, 3, 5


class Model(nn.Module):
    """Two outputs of a sound, with dropout on the way."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 16)
        self.tokens, self.pooled = nn.Linear(16, S * D), nn.Linear(16, D)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.dropout(self.inner(sounds).tanh())
        return self.tokens(inner).unflatten(1, (S, D)), self.pooled(inner)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, 4, generator=generator), torch.randn(B, S, D, generator=generator)


def whole_batch_loss(rows, text, temperature):
    tokens, pooled = rows
    loss = sequence_contrastive_loss(tokens, text, temperature=temperature(), symmetric=True)
    return loss + sequence_contrastive_loss(pooled[:, None], text[:, :1], temperature=temperature())


def cached_gradients(model, micro_batches, text, temperature):
    seeds = list(range(len(micro_batches)))
    outputs = compute_outputs(model, micro_batches, seeds)
    gradients = output_gradients(
        outputs.rows, lambda rows: whole_batch_loss(rows, text, temperature), gather=lambda rows: rows, rank=0
    )
    backward_outputs(model, micro_batches, seeds, last=outputs.last, gradients=gradients)
    return [parameter.grad for parameter in (*model.parameters(), temperature.log_temperature)]


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (4, 2, 1), (1,) * 7])
def test_the_gradient_is_that_of_the_whole_batch(batch, sizes):
    sounds, text = batch
    torch.manual_seed(0)
    whole, temperature = Model(0.0), LearnedTemperature()
    whole_batch_loss(whole(sounds), text, temperature).backward()
    expected = [parameter.grad for parameter in (*whole.parameters(), temperature.log_temperature)]
    cached, learned = Model(0.0), LearnedTemperature()
    cached.load_state_dict(whole.state_dict())
    found = cached_gradients(cached, sounds.split(sizes), text, learned)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_with_dropout_it_is_that_of_one_and_the_same_draw(batch):
    sounds, text = batch
    torch.manual_seed(0)
    whole, temperature = Model(0.5), LearnedTemperature()
    micro_batches = sounds.split((3, 4))
    rows = []
    for seed, part in enumerate(micro_batches):
        set_seed(seed)
        rows.append(whole(part))
    whole_batch_loss([torch.cat(each) for each in zip(*rows, strict=True)], text, temperature).backward()
    expected = [parameter.grad for parameter in (*whole.parameters(), temperature.log_temperature)]
    cached, learned = Model(0.5), LearnedTemperature()
    cached.load_state_dict(whole.state_dict())
    found = cached_gradients(cached, micro_batches, text, learned)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_each_micro_batch_is_computed_twice_but_the_last_once(batch):
    sounds, text = batch
    model, seen = Model(0.0), []
    model.register_forward_hook(lambda *arguments: seen.append((len(arguments[1][0]), torch.is_grad_enabled())))
    cached_gradients(model, sounds.split((3, 2, 2)), text, LearnedTemperature())
    assert seen == [(3, False), (2, False), (2, True), (2, True), (3, True)]


def test_unused_outputs_have_no_gradient(batch):
    sounds, text = batch
    model = Model(0.0)
    outputs = compute_outputs(model, [sounds], [0])
    gradients = output_gradients(
        outputs.rows, lambda rows: sequence_contrastive_loss(rows[0], text), gather=lambda rows: rows, rank=0
    )
    backward_outputs(model, [sounds], [0], last=outputs.last, gradients=gradients)
    assert not model.pooled.weight.grad.any()
    assert model.tokens.weight.grad.any()


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (1,) * 7])
def test_accumulated_gradients_are_those_of_the_sum(batch, sizes):
    sounds, _ = batch
    model = Model(0.0)
    total = model(sounds)[1].square().sum()
    (0.5 * total).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    parts = sounds.split(sizes)
    found = backward_sum(lambda each: model(each)[1].square().sum(), parts, range(len(parts)), scale=0.5)
    assert found == pytest.approx(float(total.detach()), rel=1e-5)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    torch.testing.assert_close(gradients, expected, atol=1e-6, rtol=1e-5)
