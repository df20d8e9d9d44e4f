import pytest
import torch
from accelerate import Accelerator

from photism.training.data.feature_cache import prepare_corpus
from photism.training.data.readers import read_examples
from photism.training.heads.classify import ClassifyTask, classes_of_row
from photism.training.heads.ctc import CtcTask
from photism.training.heads.learner import HeadLearner
from photism.training.heads.model import build_model
from photism.training.heads.report import measure_cost
from photism.training.heads.settings import ClassifySettings, CtcSettings
from photism.training.pretrained import feature_settings, load_start

PARTS = {
    "classify": (ClassifySettings, classes_of_row, ClassifyTask, {"balance": True}),
    "ctc": (
        CtcSettings,
        lambda row, settings: ("a b", "b a")[: 1 + len(str(row["audio"])) % 2],
        CtcTask,
        {"dropout": 0.0},
    ),
}


@pytest.fixture(params=PARTS)
def make(request, classed, few_steps, tmp_path):
    settings_of, texts, task_of, more = PARTS[request.param]
    start = load_start(few_steps["encoder"])

    def learner(**changed):
        settings = settings_of(**{"data": str(classed), "output": str(tmp_path), **few_steps, **more, **changed})
        examples = read_examples(settings.data, lambda row: texts(row, settings))
        corpus = prepare_corpus(examples, tmp_path / "corpus", settings=feature_settings(start))
        task = task_of(settings, corpus)
        return HeadLearner(build_model(start, task, settings), corpus, task, settings, Accelerator(cpu=True))

    return learner


def gradients(learner):
    loss = learner.gradients(0)["loss"]
    learner.optimization.fill_gradients()
    return loss, {name: each.grad.clone() for name, each in learner.optimization.parameters.items()}


def test_the_gradient_of_a_step_does_not_depend_on_the_chunk(make):
    loss, whole = gradients(make(chunk_s=1000.0, mask_time=0.2))
    for chunk_s in (0.01, 1.5):
        again, found = gradients(make(chunk_s=chunk_s, mask_time=0.2))
        assert again == pytest.approx(loss, rel=1e-5)
        for name, gradient in whole.items():  # that of a key's bias is 0 but for rounding
            torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def test_out_of_memory_halves_the_chunk_and_not_the_batch(make, monkeypatch):
    loss, whole = gradients(make())
    learner = make()
    compute, sizes = learner.task.loss, []

    def limited(model, batch):
        sizes.append(len(batch.pieces))
        if len(batch.pieces) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return compute(model, batch)

    monkeypatch.setattr(learner.task, "loss", limited)
    again, found = gradients(learner)
    assert again == pytest.approx(loss, rel=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3, msg=name)
    assert sizes[0] > 2
    assert sizes[-1] <= 2


def test_what_is_heard_does_not_depend_on_the_chunk(make):
    wide, narrow = make(chunk_s=1000.0), make(chunk_s=0.01)
    clips = list(range(len(wide.corpus)))
    for one, other in zip(wide.hear(clips), narrow.hear(clips), strict=True):
        torch.testing.assert_close(torch.from_numpy(one), torch.from_numpy(other), atol=1e-5, rtol=1e-4)


def test_measuring_the_cost_moves_nothing(make):
    learner = make()
    before = {name: each.detach().clone() for name, each in learner.optimization.parameters.items()}
    cost = measure_cost(learner, step=2)
    assert cost.steps == learner.steps - 2
    assert cost.duration_s > 0
    assert cost.memory_gb > 0.1
    for name, parameter in learner.optimization.parameters.items():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


def test_the_encoder_learns_more_slowly_than_the_head(make):
    optimization = make(encoder_rate=0.1, layer_decay=0.5, learning_rate=0.8).optimization
    highest = {
        id(each): group["highest"] for group in optimization.optimizers[0].param_groups for each in group["params"]
    }
    rates = {name: highest[id(each)] for name, each in optimization.parameters.items()}
    for name, rate in rates.items():
        encoder = name.startswith("wav2vec2_bert.")
        expected = 0.8 if not encoder else 0.08 if ".layers.1." in name else 0.04 if ".layers.0." in name else 0.02
        assert rate == pytest.approx(expected), name
