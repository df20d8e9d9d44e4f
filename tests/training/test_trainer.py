"""The loop of a training, with a model of two numbers: steps, checkpoints, resumption, best weights, early stopping."""

import json
import signal

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from transformers import get_scheduler

from photism.errors import InputError
from photism.training.checkpoint import read_best
from photism.training.data.sampler import generator_of
from photism.training.distributed import DistributedContext
from photism.training.loss_scale import LossScale
from photism.training.optimizer import Optimizer, learning_rate_factor
from photism.training.trainer import Trainer


class Quadratic(nn.Module):
    """Distance of a vector to noisy targets."""

    def __init__(self):
        super().__init__()
        self.vector = nn.Parameter(torch.tensor([3.0, -2.0]))

    def compute_gradients(self, step):
        loss = (self.vector - 0.1 * torch.randn(2, generator=generator_of(5, step))).square().sum()
        loss.backward()
        return {"loss": float(loss.detach())}


@pytest.fixture
def make(tmp_path):
    def trainer(model=None, *, folder=tmp_path, steps=12, ema_decay=0.5, learning_rate=0.1, **settings):
        model = model or Quadratic()
        optimizer = Optimizer(
            dict(model.named_parameters()),
            {"vector": learning_rate},
            weight_decay=0.0,
            max_grad_norm=1.0,
            warmup_steps=round(0.1 * steps),
            ema_decay=ema_decay,
        )
        given = {"evaluate_every": 4, "checkpoint_every_s": 1e9, "keep_checkpoints": 2, **settings}
        made = Trainer(
            model.compute_gradients,
            optimizer,
            folder,
            steps=steps,
            batch_size=1,
            distributed=DistributedContext(Accelerator(cpu=True)),
            **given,
        )
        made.model = model
        return made

    return trainer


def test_the_constructor_touches_nothing(make, tmp_path):
    (tmp_path / "best.safetensors").write_text("mine")
    (tmp_path / "checkpoints").mkdir()
    trainer = make()
    assert not trainer.resume()
    assert (trainer.step, trainer.best_score) == (0, float("-inf"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "checkpoints"]
    assert (tmp_path / "best.safetensors").read_text() == "mine"


def test_a_training_without_evaluation(make, tmp_path):
    seen = []
    trainer = make()
    assert trainer.run(on_step=seen.append)
    assert [(each.step, each.steps) for each in seen] == [(step, 12) for step in range(1, 13)]
    assert {"loss", "gradient norm", "learning rate"} == set(seen[0].losses)
    assert read_best(tmp_path / "best.safetensors").step == 12  # without metrics the last weights are the best
    state = json.loads((tmp_path / "checkpoints" / "step-00000012" / "state.json").read_text())
    assert state["step"] == 12


def interrupt_at(step):
    def on_step(progress):
        if progress.step == step:
            signal.raise_signal(signal.SIGTERM)

    return on_step


def test_an_interrupted_training_continues_to_the_same_weights(make, tmp_path):
    scores = []

    def evaluate_with(trainer):
        def evaluate(step):
            scores.append(step)
            return {"distance": float(-trainer.model.vector.detach().norm())}

        return evaluate

    whole = make(folder=tmp_path / "whole", score=lambda metrics: metrics["distance"])
    assert whole.run(evaluate=evaluate_with(whole))
    assert scores == [0, 4, 8, 12]
    for step in (2, 9):
        part = make(folder=tmp_path / "part", score=lambda metrics: metrics["distance"])
        assert part.resume() == (step != 2)
        assert not part.run(evaluate=evaluate_with(part), on_step=interrupt_at(step))
        assert part.step == step
    last = make(folder=tmp_path / "part", score=lambda metrics: metrics["distance"])
    assert last.resume()
    assert last.step == 9
    assert last.best_score == part.best_score
    assert last.run(evaluate=evaluate_with(last))
    assert torch.equal(last.model.vector, whole.model.vector)
    assert torch.equal(last.optimizer.ema["vector"], whole.optimizer.ema["vector"])
    best = [load_file(tmp_path / name / "best.safetensors")["vector"] for name in ("whole", "part")]
    assert torch.equal(*best)


def test_evaluations_and_best_weights_are_those_of_the_ema(make, tmp_path):
    seen = []
    trainer = make(steps=4)
    trainer.run(evaluate=lambda step: seen.append(trainer.model.vector.detach().clone()) or {})
    ema = trainer.optimizer.ema["vector"]
    assert torch.equal(seen[-1], ema)
    assert not torch.equal(trainer.model.vector, ema)
    assert torch.equal(load_file(tmp_path / "best.safetensors")["vector"], ema)


def test_a_checkpoint_without_one_of_its_files(make, tmp_path):
    make(steps=2).run()
    (tmp_path / "checkpoints" / "step-00000002" / "average.safetensors").unlink()
    with pytest.raises(InputError, match=r"step-00000002 is incomplete: it lacks 'average'; delete it to resume"):
        make(steps=2).resume()


def test_early_stopping(make):
    trainer = make(steps=100, patience=2, score=lambda metrics: -metrics["step"])
    assert trainer.run(evaluate=lambda step: {"step": float(step)})
    assert trainer.step == 8  # two evaluations, of four steps each, without improvement


def test_old_checkpoints_are_deleted(make, tmp_path):
    make(checkpoint_every_s=0.0).run()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000011", "step-00000012"]


def test_a_loss_that_is_not_finite_stops_the_training(make):
    trainer = make(learning_rate=0.5)
    with torch.no_grad():
        trainer.model.vector.fill_(float("nan"))
    with pytest.raises(InputError, match=r"learning_rate must be lower than 0.5: the loss is nan at step 1"):
        trainer.train_step()


def test_clips_at_fault_are_named_in_place_of_the_learning_rate(make):
    trainer = make(learning_rate=0.5, clips_at_fault=lambda step: [f"{step}.wav", "b.wav"])
    with torch.no_grad():
        trainer.model.vector.fill_(float("nan"))
    message = r"^the loss is nan at step 1, because of 0.wav, b.wav; leave them out of the data; the last checkpoint is"
    with pytest.raises(InputError, match=message):
        trainer.train_step()


def test_a_gradient_that_is_not_finite_updates_nothing(make):
    trainer = make(learning_rate=0.5)
    compute, before = trainer.compute_gradients, trainer.model.vector.detach().clone()

    def broken(step):
        losses = compute(step)
        trainer.model.vector.grad[0] = float("inf")
        return losses

    trainer.compute_gradients = broken
    with pytest.raises(InputError, match=r"lower than 0.5: the gradient norm is (inf|nan) at step 1"):
        trainer.train_step()
    assert torch.equal(trainer.model.vector, before)


class HalfQuadratic(Quadratic):
    """Its gradient is computed in float16, from a loss that is scaled."""

    def __init__(self, loss_scale):
        super().__init__()
        self.loss_scale, self.computed = loss_scale, []

    def compute_gradients(self, step):
        losses = super().compute_gradients(step)
        self.vector.grad = (self.loss_scale.value * self.vector.grad).half().float()
        self.computed.append((step, self.loss_scale.value))
        return losses


def test_a_step_whose_scaled_gradient_overflows_is_computed_again(make):
    scale = LossScale(2.0**16)
    trainer = make(HalfQuadratic(scale), loss_scale=scale)
    trainer.train_step()
    # The gradient is about 6: it overflows float16 with a factor of 2 ** 16, 2 ** 15 and 2 ** 14.
    assert trainer.model.computed == [(0, 2.0**16), (0, 2.0**15), (0, 2.0**14), (0, 2.0**13)]
    exact = make()
    exact.train_step()
    torch.testing.assert_close(trainer.model.vector, exact.model.vector, atol=1e-4, rtol=0)
    trainer.save_checkpoint()
    resumed_scale = LossScale(2.0**16)
    resumed = make(HalfQuadratic(resumed_scale), loss_scale=resumed_scale)
    assert resumed.resume()
    assert (resumed_scale.value, resumed_scale.good_steps) == (2.0**13, 1)


def test_the_schedule_warms_up_and_decays_to_0():
    factors = [learning_rate_factor(step, steps=20, warmup_steps=4) for step in range(21)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[12] == pytest.approx(0.5)
    assert factors[20] == 0


@pytest.mark.parametrize(("schedule", "theirs"), [("linear", "linear"), ("cosine", "cosine")])
def test_schedules_of_transformers(schedule, theirs):
    parameter = nn.Parameter(torch.zeros(1))
    scheduler = get_scheduler(
        theirs, torch.optim.SGD([parameter], lr=1.0), num_warmup_steps=200, num_training_steps=2304
    )
    expected = []
    for _ in range(2304):
        expected.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    found = [learning_rate_factor(step, steps=2304, warmup_steps=200, schedule=schedule) for step in range(2304)]
    if schedule == "cosine":  # which starts at the rate of their second step
        expected[:200] = expected[1:201]
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_constant_schedule():
    factors = [learning_rate_factor(step, steps=8, warmup_steps=2, schedule="constant") for step in range(8)]
    assert factors == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_the_ema_follows_the_weights(make):
    trainer = make(ema_decay=0.5, learning_rate=1e-2)
    vector = trainer.model.vector
    ema = vector.detach().clone()
    for step in range(1, 4):
        trainer.train_step()
        ema.lerp_(vector.detach(), 1 - min(0.5, step / (step + 9)))
    torch.testing.assert_close(trainer.optimizer.ema["vector"], ema)
    weights = vector.detach().clone()
    trainer.optimizer.swap_ema()
    assert torch.equal(vector, ema)
    trainer.optimizer.swap_ema()
    assert torch.equal(vector, weights)


def test_without_ema_the_weights_themselves_are_evaluated(make):
    trainer = make(ema_decay=0.0)
    trainer.train_step()
    weights = trainer.model.vector.detach().clone()
    trainer.optimizer.swap_ema()
    assert torch.equal(trainer.model.vector, weights)
