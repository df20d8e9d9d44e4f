import dataclasses

import pytest
import torch
from accelerate import Accelerator

from photism.errors import InputError
from photism.hub import bundled_model
from photism.prompts.diffusion import load_diffusion
from photism.training.align.learner import AlignmentLearner
from photism.training.align.model import build_model
from photism.training.align.settings import AlignSettings
from photism.training.align.targets import prepare_targets
from photism.training.data.feature_cache import prepare_corpus
from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.readers import read_examples
from photism.training.optimizer import schedule
from photism.training.pretrained import load_start
from photism.training.trainer import Loop


@pytest.fixture(scope="module")
def parts(captioned, bare_encoder, models, tmp_path_factory):
    """What a learner is made of, but for its settings."""
    folder = tmp_path_factory.mktemp("parts")
    examples = read_examples(str(captioned), lambda row: (row["text"],))
    corpus = prepare_corpus(examples, folder / "corpus", settings=FeatureSettings())
    source = models / "sd" / "diffusion"
    pipeline = load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)
    captions = sorted({caption for clip in corpus.clips for caption in clip.texts})
    return load_start(str(bare_encoder)), corpus, prepare_targets(captions, pipeline, folder / "targets", name="sd")


@pytest.fixture
def make(parts, tmp_path):
    def loop(**settings):
        start, corpus, targets = parts
        given = AlignSettings(
            **{"data": "-", "output": str(tmp_path), "batch_size": 6, "precision": "fp32", "tokens": 4, **settings}
        )
        model = build_model(start, targets.space, given)
        learner = AlignmentLearner(model, corpus, targets, given, Accelerator(cpu=True))
        return Loop(
            learner, tmp_path, score=lambda measures: 0.0, evaluate_every=1, checkpoint_every_s=1e9, keep_checkpoints=1
        )

    return loop


def gradients(learner):
    learner.gradients(0)
    learner.optimization.fill_gradients()
    return {name: parameter.grad.clone() for name, parameter in learner.optimization.parameters.items()}


def test_the_gradient_of_a_step_does_not_depend_on_the_chunk(make):
    whole = gradients(make(chunk_s=1000.0).learner)
    for chunk_s in (0.01, 2.0):
        found = gradients(make(chunk_s=chunk_s).learner)
        for name, gradient in whole.items():  # that of a key's bias is 0 but for rounding
            torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("in_backward", [False, True])
def test_out_of_memory_halves_the_chunk_and_not_the_batch(make, monkeypatch, in_backward):
    expected = make().train_step()
    loop = make()
    learner = loop.learner
    longest = learner.batches.batch(0)[0].tokens
    forward, sizes = learner._forward, []

    def limited(chunk):
        sizes.append(len(chunk))
        if len(chunk) > 2 and (not in_backward or len(sizes) > 1):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return forward(chunk)

    monkeypatch.setattr(learner, "_forward", limited)
    if in_backward:  # the last chunk is kept, so that there have to be two for one to be made again
        learner.chunks.tokens = 3 * longest
    found = loop.train_step()
    assert found == pytest.approx(expected, rel=1e-3)
    assert max(sizes) > 2
    assert sizes[-1] <= 2
    assert learner.chunks.tokens <= 3 * longest


def test_a_sound_that_does_not_fit_at_all(make, monkeypatch):
    loop = make()

    def full(chunk):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    monkeypatch.setattr(loop.learner, "_forward", full)
    with pytest.raises(InputError, match="max_duration_s must be lower, or gradient_checkpointing on"):
        loop.train_step()


def test_other_errors_come_through(make, monkeypatch):
    loop = make()
    monkeypatch.setattr(loop.learner, "_forward", lambda chunk: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        loop.train_step()


def test_a_loss_that_is_not_finite_stops_the_training(make):
    loop = make(learning_rate=0.5)
    with torch.no_grad():
        loop.optimization.parameters["adapter.queries"].fill_(float("nan"))
    with pytest.raises(InputError, match=r"learning_rate must be lower than 0.5: the loss is nan at step 1"):
        loop.train_step()


def test_a_gradient_that_is_not_finite_moves_nothing(make, monkeypatch):
    loop = make(learning_rate=0.5)
    before = {name: parameter.detach().clone() for name, parameter in loop.optimization.parameters.items()}
    filled = loop.optimization.fill_gradients

    def broken():
        gradients = filled()
        gradients[0].flatten()[0] = float("inf")
        return gradients

    monkeypatch.setattr(loop.optimization, "fill_gradients", broken)
    with pytest.raises(InputError, match=r"lower than 0.5: the gradient norm is (inf|nan) at step 1"):
        loop.train_step()
    for name, parameter in loop.optimization.parameters.items():
        assert torch.equal(parameter, before[name])


def test_learning_rates_fall_with_the_layer(make):
    optimization = make(layer_decay=0.5, learning_rate=0.8).optimization
    highest = {
        id(parameter): group["highest"]
        for group in optimization.optimizers[0].param_groups
        for parameter in group["params"]
    }
    rates = {name: highest[id(parameter)] for name, parameter in optimization.parameters.items()}
    for name, rate in (
        ("adapter.queries", 0.8),
        ("encoder.encoder.layers.1.self_attn.linear_q.weight", 0.4),
        ("encoder.encoder.layers.0.self_attn.linear_q.weight", 0.2),
        ("encoder.feature_projection.projection.weight", 0.1),
    ):
        assert rates[name] == pytest.approx(rate), name
    assert set(rates.values()) == {rates["adapter.queries"] * 0.5**depth for depth in range(4)}
    assert optimization.optimizers[1].param_groups[0]["highest"] == 0.8


def test_the_schedule_rises_falls_and_ends_at_nothing():
    factors = [schedule(step, steps=20, warmup_steps=4) for step in range(21)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[12] == pytest.approx(0.5)
    assert factors[20] == 0


def test_the_average_follows_the_weights(make):
    loop = make(ema_decay=0.5, learning_rate=1e-2)
    name, parameter = next(iter(loop.optimization.parameters.items()))
    average = parameter.detach().clone()
    for step in range(1, 4):
        loop.train_step()
        average.lerp_(parameter.detach(), 1 - min(0.5, step / (step + 9)))
    torch.testing.assert_close(loop.optimization.average[name], average)
    weights = parameter.detach().clone()
    loop.optimization.swap_average()
    assert torch.equal(parameter, average)
    loop.optimization.swap_average()
    assert torch.equal(parameter, weights)


def test_what_is_heard_does_not_depend_on_the_chunk_and_is_in_order(make):
    learner = make().learner
    clips = [3, 0, 17, 5]
    heard = learner.hear(clips)
    assert heard.tokens.shape == (4, 4, 16)
    learner.chunks.tokens = 1
    for row, clip in enumerate(clips):
        torch.testing.assert_close(learner.hear([clip]).tokens[0], heard.tokens[row], atol=1e-5, rtol=1e-4)
    assert [learner.targets.captions[each[0]] for each in heard.captions[:2]] == ["rain", "a koala"]


def test_an_adapter_that_learns_nothing_gives_way_to_one_that_does(parts):
    _, _, targets = parts
    model = build_model(load_start(str(bundled_model())), targets.space, AlignSettings(data="-", output="-"))
    assert (model.config.adapter, model.config.feature_stride) == ("resampler", 4)


def test_starting_from_a_photism_model_keeps_its_adapter(parts, models):
    _, _, targets = parts
    settings = AlignSettings(data="-", output="-")
    model = load_start(str(models / "sd"))
    same = build_model(model, targets.space, settings)
    assert same.config.tokens == model.config.tokens == 12
    for name, tensor in model.state_dict().items():
        if name not in ("bos", "negative"):
            assert torch.equal(same.state_dict()[name], tensor), name
    other = build_model(model, targets.space, dataclasses.replace(settings, adapter="conv", tokens=7))
    assert (other.config.adapter, other.config.tokens) == ("conv", 7)
    assert torch.equal(
        other.encoder.feature_projection.projection.weight, model.encoder.feature_projection.projection.weight
    )
