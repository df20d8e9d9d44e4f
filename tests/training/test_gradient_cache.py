"""The gradient of a batch in chunks beside that of the batch in one."""

import pytest
import torch
from torch import Tensor, nn

from photism.prompts.losses import LearnedTemperature, sequence_contrastive_loss
from photism.training.gradient_cache import backward_chunks, encode_chunks, loss_gradients, set_seed

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


def gradients_in_chunks(model, chunks, text, temperature):
    seeds = list(range(len(chunks)))
    encoded = encode_chunks(model, chunks, seeds)
    gradients = loss_gradients(
        encoded.rows, lambda rows: whole_batch_loss(rows, text, temperature), gather=lambda rows: rows, process=0
    )
    backward_chunks(model, chunks, seeds, last=encoded.last, gradients=gradients)
    return [parameter.grad for parameter in (*model.parameters(), temperature.log_temperature)]


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (4, 2, 1), (1,) * 7])
def test_the_gradient_is_that_of_the_whole_batch(batch, sizes):
    sounds, text = batch
    torch.manual_seed(0)
    whole, temperature = Model(0.0), LearnedTemperature()
    whole_batch_loss(whole(sounds), text, temperature).backward()
    expected = [parameter.grad for parameter in (*whole.parameters(), temperature.log_temperature)]
    chunked, learned = Model(0.0), LearnedTemperature()
    chunked.load_state_dict(whole.state_dict())
    found = gradients_in_chunks(chunked, sounds.split(sizes), text, learned)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_with_dropout_it_is_that_of_one_and_the_same_draw(batch):
    sounds, text = batch
    torch.manual_seed(0)
    whole, temperature = Model(0.5), LearnedTemperature()
    chunks = sounds.split((3, 4))
    rows = []
    for seed, chunk in enumerate(chunks):
        set_seed(seed)
        rows.append(whole(chunk))
    whole_batch_loss([torch.cat(each) for each in zip(*rows, strict=True)], text, temperature).backward()
    expected = [parameter.grad for parameter in (*whole.parameters(), temperature.log_temperature)]
    chunked, learned = Model(0.5), LearnedTemperature()
    chunked.load_state_dict(whole.state_dict())
    found = gradients_in_chunks(chunked, chunks, text, learned)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_each_chunk_is_encoded_twice_but_the_last_once(batch):
    sounds, text = batch
    model, seen = Model(0.0), []
    model.register_forward_hook(lambda *arguments: seen.append((len(arguments[1][0]), torch.is_grad_enabled())))
    gradients_in_chunks(model, sounds.split((3, 2, 2)), text, LearnedTemperature())
    assert seen == [(3, False), (2, False), (2, True), (2, True), (3, True)]


def test_what_the_loss_does_not_use_has_no_gradient(batch):
    sounds, text = batch
    model = Model(0.0)
    encoded = encode_chunks(model, [sounds], [0])
    gradients = loss_gradients(
        encoded.rows, lambda rows: sequence_contrastive_loss(rows[0], text), gather=lambda rows: rows, process=0
    )
    backward_chunks(model, [sounds], [0], last=encoded.last, gradients=gradients)
    assert not model.pooled.weight.grad.any()
    assert model.tokens.weight.grad.any()
