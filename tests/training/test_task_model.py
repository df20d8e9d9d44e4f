"""Gradients and predictions of the model of a task, whatever its micro-batches."""

import dataclasses

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.diffusion.loading import load_diffusion
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from photism.training.cost import measure_cost
from photism.training.data.feature_cache import PreparationSettings, prepare_dataset
from photism.training.data.readers import read_examples
from photism.training.data.text_embeddings import prepare_text_embeddings
from photism.training.distributed import DistributedContext
from photism.training.prompt_model import PromptEncoderBuilder
from photism.training.settings import (
    AlignSettings,
    ClassifySettings,
    CtcSettings,
    FinetuneSettings,
    FramesSettings,
    SpeakerSettings,
)
from photism.training.task_model import TaskModel
from photism.training.tasks.align import AlignTask
from photism.training.tasks.classify import ClassifyTask
from photism.training.tasks.ctc import CtcTask
from photism.training.tasks.frames import FramesTask
from photism.training.tasks.speaker import SpeakerTask

TURNS = ("0.0 0.2 ann", "0.15 0.4 bob")
KINDS = {
    "align": (AlignSettings, lambda row: (row["labels"][0],), None, {"tokens": 4}),
    "align pooled": (AlignSettings, lambda row: (row["labels"][0],), None, {"tokens": 4}),
    "classify": (ClassifySettings, lambda row: tuple(row["labels"]), ClassifyTask, {"balance": True}),
    "multi-label": (ClassifySettings, lambda row: (*row["labels"], "all"), ClassifyTask,
                    {"multi_label": True, "balance": True}),
    "ctc": (CtcSettings, lambda row: ("a b", "b a")[: 1 + len(str(row["audio"])) % 2], CtcTask, {"dropout": 0.0}),
    "ctc adapter": (CtcSettings, lambda row: ("a b", "b a")[: 1 + len(str(row["audio"])) % 2], CtcTask,
                    {"dropout": 0.0, "adapter": True}),
    "frames": (FramesSettings, lambda row: TURNS, FramesTask, {"learn": "names", "crop_s": 0.4}),
    "speakers": (FramesSettings, lambda row: TURNS, FramesTask, {"learn": "speakers", "crop_s": 0.4}),
    "speaker": (SpeakerSettings, lambda row: tuple(row["labels"]), SpeakerTask, {"crop_s": 0.4}),
}  # fmt: skip


# For what the tasks share: one with a gradient cache, one of several labels, one of frames. The others repeat it.
REPRESENTATIVE = ("align pooled", "multi-label", "frames")
each_task = pytest.mark.parametrize("make", KINDS, indirect=True)
some_tasks = pytest.mark.parametrize(
    "make",
    [name if name in REPRESENTATIVE else pytest.param(name, marks=pytest.mark.slow) for name in KINDS],
    indirect=True,
)


@pytest.fixture(scope="module")
def text(models, tmp_path_factory):
    """Embeddings of the captions by diffusion model."""
    folder = tmp_path_factory.mktemp("text")

    def prepare(name):
        source = models / name / "diffusion"
        pipeline = load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)
        return prepare_text_embeddings(["bell", "drum", "horn"], pipeline, folder, name=name)

    return {name: prepare(name) for name in ("sd", "xl")}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of data sets, each of which is prepared once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def make(request, classed, few_steps, tmp_path, text, prepared):
    settings_of, read_row, task_of, more = KINDS[request.param]
    pretrained = load_pretrained_encoder(few_steps["encoder"])

    def model(**changed):
        given = {**few_steps, **more, **changed}
        if settings_of is AlignSettings:
            given = {name: value for name, value in given.items() if name not in ("mask_time", "encoder_rate")}
        settings = settings_of(data=str(classed), output=str(tmp_path), **given)
        examples = read_examples(settings.data, read_row)
        dataset = prepare_dataset(examples, prepared / request.param, PreparationSettings(features=pretrained.features))
        distributed = DistributedContext(Accelerator(cpu=settings.cpu))
        if task_of is None:
            embeddings = text["xl" if "pooled" in request.param else "sd"]
            task = AlignTask(settings, dataset, embeddings, distributed.device)
        else:
            task = task_of(settings, dataset)
        return TaskModel(task, task.builder.build(pretrained), settings, distributed)

    return model


def gradients(model):
    losses = model.compute_gradients(0)
    model.optimizer.gradients()
    found = {**model.optimizer.parameters, **model.optimizer.extra_parameters}
    return losses["loss"], {name: each.grad.clone() for name, each in found.items()}


def assert_close(found, expected):
    for name, gradient in expected.items():  # that of a key's bias is 0 but for rounding
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


@each_task
def test_the_gradient_of_a_batch_does_not_depend_on_its_micro_batches(make):
    loss, whole = gradients(make(chunk_s=1000.0, mask_time=0.2))
    for chunk_s in (0.01, 1.5):
        again, found = gradients(make(chunk_s=chunk_s, mask_time=0.2))
        assert again == pytest.approx(loss, rel=1e-5)
        assert_close(found, whole)


@pytest.fixture
def other_device():
    """Let accelerate choose its device again, during the test and after it."""
    yield lambda: AcceleratorState._reset_state(reset_partial_state=True)
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("make", ["align pooled", "classify", "ctc", "frames"], indirect=True)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.1)])
def test_a_step_on_a_device(make, device, precision, tolerance, other_device):
    loss, whole = gradients(make())
    other_device()
    model = make(cpu=device.type == "cpu", precision=precision)
    again, found = gradients(model)
    assert model.distributed.device.type == device.type
    assert again == pytest.approx(loss, rel=tolerance)
    norm = torch.cat([each.flatten() for each in whole.values()]).norm()
    apart = torch.cat([(found[name].cpu() - each).flatten() for name, each in whole.items()]).norm()
    assert apart <= tolerance * norm
    model.optimizer.step(0, steps=2)


def limit_memory(model, monkeypatch, is_full):
    """Let the encoder run out of memory; return the sizes of the micro-batches that it is called with."""
    sizes = []
    batch = model.batch

    def limited(crops, **arguments):
        sizes.append(len(crops))
        if is_full(sizes):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return batch(crops, **arguments)

    monkeypatch.setattr(model, "batch", limited)
    return sizes


@pytest.mark.parametrize("later", [False, True])
@some_tasks
def test_out_of_memory_halves_the_micro_batch_and_not_the_batch(make, monkeypatch, later):
    loss, whole = gradients(make())
    model = make()
    # Later: in the backward pass of the gradient cache, which computes all micro-batches again but the last.
    model.micro_batches.max_tokens = 3 * model.sampler.batch(0)[0].tokens
    if not later:
        model.micro_batches.max_tokens *= 10
    sizes = limit_memory(model, monkeypatch, lambda sizes: sizes[-1] > 2 and (not later or len(sizes) > 1))
    again, found = gradients(model)
    assert again == pytest.approx(loss, rel=1e-5)
    assert_close(found, whole)
    assert max(sizes) > 2
    assert sizes[-1] <= 2


@some_tasks
def test_a_clip_that_does_not_fit_at_all(make, monkeypatch):
    model = make()
    limit_memory(model, monkeypatch, lambda sizes: True)
    with pytest.raises(MemoryError, match="a single clip does not fit in memory: lower max_duration_s or use gradient"):
        model.compute_gradients(0)


@pytest.mark.parametrize("make", ["align pooled", "ctc", "speaker"], indirect=True)
def test_the_gradient_in_float16_is_that_of_the_loss_times_its_scale(make):
    loss, whole = gradients(make())
    model = make(precision="fp16")
    model.loss_scale.value = 64.0
    again, found = gradients(model)
    assert again == pytest.approx(loss, rel=1e-2)
    norm = torch.cat([each.flatten() for each in whole.values()]).norm()
    difference = torch.cat([(found[name] / 64 - each).flatten() for name, each in whole.items()]).norm()
    assert difference < 0.1 * norm


@some_tasks
def test_other_errors_are_raised(make, monkeypatch):
    model = make()
    monkeypatch.setattr(model, "batch", lambda crops, **arguments: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="size"):
        model.compute_gradients(0)


def flat(prediction):
    parts = prediction if isinstance(prediction, tuple) else (prediction,)
    return [torch.as_tensor(part) for part in parts]


@each_task
def test_predictions_are_in_order_and_do_not_depend_on_the_micro_batches(make):
    wide, narrow = make(chunk_s=1000.0), make(chunk_s=0.01)
    clips = [3, 0, 17, 5]
    for clip, one, other in zip(clips, wide.predict(clips), narrow.predict(clips), strict=True):
        (alone,) = narrow.predict([clip])
        for whole, part, single in zip(flat(one), flat(other), flat(alone), strict=True):
            torch.testing.assert_close(whole, part, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(part, single, atol=1e-5, rtol=1e-4)


@some_tasks
def test_estimating_the_cost_updates_nothing(make):
    model = make()
    before = {name: each.detach().clone() for name, each in model.optimizer.parameters.items()}
    cost = measure_cost(model, step=2)
    assert cost.steps == model.steps - 2
    assert cost.duration_s > 0
    assert cost.memory_gb > 0.1
    for name, parameter in model.optimizer.parameters.items():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


@each_task
def test_learning_rates_decay_with_the_layer(make):
    model = make(encoder_rate=0.1, layer_decay=0.5, learning_rate=0.8)
    peaks = {
        id(each): group["peak_lr"]
        for optimizer in model.optimizer.optimizers
        for group in optimizer.param_groups
        for each in group["params"]
    }
    top = 0.08 if isinstance(model.settings, FinetuneSettings) else 0.4  # of the encoder
    encoder = model.task.builder.encoder_name + "."
    for name, parameter in {**model.optimizer.parameters, **model.optimizer.extra_parameters}.items():
        below = top if ".layers.1." in name else top / 2 if ".layers.0." in name else top / 4
        is_head = not name.startswith(encoder) or ".adapter." in name
        assert peaks[id(parameter)] == pytest.approx(0.8 if is_head else below), name


@each_task
def test_a_batch_carries_its_targets(make):
    model = make()
    crops = model.sampler.batch(0)
    batch = model.batch(crops, with_targets=True)
    assert batch.targets
    assert all(len(each) == len(crops) for each in batch.targets.values())


@pytest.fixture
def align_settings():
    return AlignSettings(data="-", output="-")


def test_an_adapter_that_is_not_trained_is_replaced(text, align_settings):
    pretrained = load_pretrained_encoder(str(bundled_model()))
    model = PromptEncoderBuilder(text["sd"].space, align_settings).build(pretrained)
    assert (model.config.adapter, model.config.feature_stride) == ("resampler", 4)


def test_starting_from_a_photism_model_keeps_its_adapter(text, models, align_settings):
    pretrained = load_pretrained_encoder(str(models / "sd"))
    weights = AudioPromptEncoder.from_pretrained(models / "sd").state_dict()
    same = PromptEncoderBuilder(text["sd"].space, align_settings).build(pretrained)
    assert same.config.tokens == 12
    for name, tensor in weights.items():
        if name not in ("bos", "negative"):
            assert torch.equal(same.state_dict()[name], tensor), name
    changed = dataclasses.replace(align_settings, adapter="conv", tokens=7)
    other = PromptEncoderBuilder(text["sd"].space, changed).build(pretrained)
    assert (other.config.adapter, other.config.tokens) == ("conv", 7)
    assert torch.equal(
        other.encoder.feature_projection.projection.weight, weights["encoder.feature_projection.projection.weight"]
    )


@pytest.mark.parametrize("make", ["align", "classify", "ctc"], indirect=True)
def test_only_the_clips_whose_own_loss_is_not_finite_are_at_fault(make, monkeypatch):
    model = make()
    batch = model.batch
    spoiled = {crop.clip for crop in model.sampler.batch(0)[2:4]}

    def with_nan(crops, **arguments):
        found = batch(crops, **arguments)
        for row, crop in enumerate(crops):
            if crop.clip in spoiled:
                found.features[row] = float("nan")
        return found

    assert model.clips_at_fault(0) == []
    monkeypatch.setattr(model, "batch", with_nan)
    assert set(model.clips_at_fault(0)) == {model.dataset.clips[clip].name for clip in spoiled}
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter.fill_(float("nan"))
    assert model.clips_at_fault(0) == []  # it is the weights
