"""Trainings of the recipes: the EMA, and resumption with the state that no gradient changes."""

import os
import signal

import pytest
import torch
from torch import nn

from recipes.tiny.training import Training, load_averaged

STEPS = 12


class Network(nn.Module):
    """Trained and frozen layers, running statistics, and one parameter under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(4, 6).requires_grad_(False)
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 2)
        self.alias = self.head

    def forward(self, features):
        return self.alias(self.norm(self.frozen(features)))


def new_training(name: str, **settings) -> Training:
    torch.manual_seed(0)
    return Training(name, Network().train(), steps=STEPS, learning_rate=1e-2, warmup_steps=3, **settings)


def loss_function(training: Training, *, stop_at: int | None = None):
    def compute(generator):
        if training.trainer.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        features = torch.randn(8, 4, generator=generator)
        noise = 0.1 * torch.randn(8, 2)  # of torch's own generator, as dropout
        loss = (training.module(features) - features[:, :2] + noise).square().mean()
        return {"loss": loss, "half": loss / 2}

    return compute


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))


def test_a_stopped_training_resumes_to_the_same_weights():
    whole = new_training("whole")
    whole.run(loss_function(whole))
    stopped = new_training("stopped")
    with pytest.raises(SystemExit, match="stopped at step 5; run the same command to resume"):
        stopped.run(loss_function(stopped, stop_at=4))
    resumed = new_training("stopped")
    resumed.module.frozen.weight.zero_()  # the checkpoint holds what no gradient changes, too
    resumed = Training("stopped", resumed.module, steps=STEPS, learning_rate=1e-2, warmup_steps=3)
    assert resumed.trainer.step == 5
    resumed.run(loss_function(resumed))
    expected = whole.module.state_dict()
    assert expected["norm.num_batches_tracked"] == STEPS
    for name, tensor in resumed.module.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_an_evaluation_sees_the_averaged_weights_in_evaluation_mode():
    training = new_training("evaluated", evaluate_every=STEPS)
    seen: dict[int, torch.Tensor] = {}

    def evaluate(step):
        assert not training.module.training
        assert not torch.is_grad_enabled()
        seen[step] = training.module.head.weight.detach().clone()

    training.run(loss_function(training), evaluate=evaluate)
    assert sorted(seen) == [0, STEPS]
    assert training.module.training
    assert not torch.equal(seen[STEPS], training.module.head.weight)
    module = Network()
    assert load_averaged("evaluated", module) == STEPS
    assert torch.equal(module.head.weight, seen[STEPS])
    assert torch.equal(module.frozen.weight, training.module.frozen.weight)
    assert torch.equal(module.norm.running_mean, training.module.norm.running_mean)


def test_a_stage_that_has_not_been_trained():
    with pytest.raises(SystemExit, match="missing: not trained yet"):
        load_averaged("missing", Network())
