"""The recipe of audio2img: its loss, gradient, schedule and optimizer are those of its notebook."""

import re
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch.nn import functional

from photism.prompts.diffusion.loading import load_diffusion
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from photism.training.data.feature_cache import PreparationSettings, prepare_dataset
from photism.training.data.readers import read_examples
from photism.training.data.text_embeddings import prepare_text_embeddings
from photism.training.distributed import DistributedContext
from photism.training.optimizer import learning_rate_factor
from photism.training.recipes import RECIPES, read_recipe
from photism.training.task_model import TaskModel
from photism.training.tasks.align import AlignTask
from tests.support.tiny_checkpoint import make_sd

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make_model(classed, bare_encoder, tmp_path_factory):
    """A function that returns the model of the recipe on 18 clips of three captions, some equal in each batch of 16."""
    folder = tmp_path_factory.mktemp("recipe")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_sd(folder / "text", length=77).save_pretrained(folder / "sd")
    pretrained = load_pretrained_encoder(str(bare_encoder))
    examples = read_examples(str(classed), lambda row: (row["labels"][0],))
    dataset = prepare_dataset(examples, folder / "dataset", PreparationSettings(features=pretrained.features))
    pipeline = load_diffusion(folder / "sd", device=torch.device("cpu"), dtype=torch.float32, text_only=True)
    text = prepare_text_embeddings(["bell", "drum", "horn"], pipeline, folder / "text-cache", name="sd")

    def make(**changed):
        settings = read_recipe(
            "audio2img", data=str(classed), output=str(folder), batch_size=16, precision="fp32", **changed
        )
        task = AlignTask(settings, dataset, text, torch.device("cpu"))
        return TaskModel(task, task.builder.build(pretrained), settings, DistributedContext(Accelerator(cpu=True)))

    return make


def published_loss(embeddings, labels, temperature=0.15):
    """The loss as the notebook defines it: cross-entropy of the cosines of all pairs of a batch, at each position."""
    cosines = torch.cosine_similarity(embeddings.unsqueeze(1), labels.unsqueeze(0), dim=-1) / temperature
    targets = torch.arange(len(embeddings)).unsqueeze(1).repeat(1, embeddings.shape[1])
    return functional.cross_entropy(cosines, targets)


def test_a_step_has_the_gradient_of_the_notebooks_accumulated_batches_of_8(make_model):
    model = make_model()
    for module in model.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    crops = model.sampler.batch(0)
    losses = model.compute_gradients(0)
    found = {name: each.grad.clone() for name, each in model.optimizer.parameters.items() if each.grad is not None}
    model.optimizer.zero_grad()

    expected = 0.0
    for group in range(2):  # crops come by length, and are dealt out in turn
        own = crops[group::2]
        captions = [crop.target for crop in own]
        assert len(set(captions)) < len(captions) == 8
        batch = model.batch(own)
        tokens = model.model(batch.features, batch.mask).prompt_embeds[:, 1:]
        loss = published_loss(tokens, model.task.text.tokens(torch.tensor(captions), 47).float()) / 2
        loss.backward()
        expected += float(loss.detach())
    assert losses["loss"] == pytest.approx(expected, rel=1e-5)
    assert found
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, model.optimizer.parameters[name].grad, atol=1e-6, rtol=1e-3, msg=name)


def test_other_groups_have_another_loss(make_model):
    assert make_model().compute_gradients(0)["loss"] < make_model(contrastive_group=None).compute_gradients(0)["loss"]
    with_masks = make_model(mask_equal_captions=True).compute_gradients(0)["loss"]
    assert with_masks < make_model().compute_gradients(0)["loss"]


def test_the_groups_do_not_depend_on_the_order_in_which_processes_return_the_crops(make_model):
    model = make_model()
    crops = model.sampler.batch(0)
    groups = dict(zip(crops, model.task.targets(crops)["group"].tolist(), strict=True))
    gathered = crops[::2] + crops[1::2]
    assert model.task.targets(gathered)["group"].tolist() == [groups[crop] for crop in gathered]
    assert sorted(groups.values()) == [0] * 8 + [1] * 8


def test_negatives_are_counted_within_a_group(make_model):
    model = make_model()
    line, *_ = model.task.report(model.sampler).lines
    assert re.fullmatch(r"a group of 8 within a batch of 16 has [12]\.\d distinct negatives on average", line)


def test_the_schedule_of_the_notebook():
    settings = read_recipe("audio2img", data="-", output="-")
    factors = [
        learning_rate_factor(step, steps=2304, warmup_steps=settings.warmup_steps, schedule=settings.schedule)
        for step in (0, 1, 100, 199, 200, 1252, 2303)
    ]
    # 200 steps from 0 to 1, then 2104 steps from 1 to 0.
    assert factors == pytest.approx([0, 1 / 200, 0.5, 199 / 200, 1, 0.5, 1 / 2104])


def test_the_optimizer_of_the_notebook(make_model):
    """The learning rate and AdamW with the defaults of transformers' TrainingArguments, for all weights alike."""
    optimizer = make_model().optimizer
    groups = [group for each in optimizer.optimizers for group in each.param_groups if group["params"]]
    assert {(group["peak_lr"], group["betas"], group["eps"], group["weight_decay"]) for group in groups} == {
        (2e-5, (0.9, 0.999), 1e-8, 0.0)
    }
    assert (optimizer.max_grad_norm, optimizer.ema_decay) == (1.0, 0.0)


def test_its_model_and_crops(make_model):
    model = make_model()
    assert model.model.prompt_length == 48
    assert model.model.encoder.config.layerdrop == 0
    assert (model.sampler.max_tokens, model.sampler.random_crop) == (188, False)  # 376 mel frames
    settings = read_recipe("audio2img", data="-", output="-")
    assert (settings.batch_size, settings.contrastive_group, settings.epochs) == (128, 8, 8)


def test_flags_take_precedence_over_the_file_and_that_over_the_recipe(tmp_path):
    from photism.settings import read_settings
    from photism.training.settings import AlignSettings

    path = tmp_path / "own.yaml"
    path.write_text("epochs: 3\nlearning_rate: 1e-4\n")
    given = {"data": "-", "output": "-", "epochs": 1.0}
    settings = read_settings(AlignSettings, path, given, defaults=RECIPES["audio2img"])
    assert (settings.epochs, settings.learning_rate, settings.warmup_steps) == (1.0, 1e-4, 200)


def test_the_guide_shows_the_recipe():
    guide = (ROOT / "docs/guides/align.md").read_text(encoding="utf8")
    assert f"```yaml\n{RECIPES['audio2img'].read_text(encoding='utf8')}```" in guide
