"""Distillation of the bundled UNet."""

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from torch import nn

from recipes.tiny.distill_diffusion import FIRST, LATER, add_lora, predict, save_lora, signal_and_noise
from recipes.tiny.teacher_solutions import DIFFUSION, TeacherSolutions, _chunk_path, load_teacher

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def student():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return add_lora(load_teacher(CPU))


def test_every_layer_has_a_lora_and_all_are_small(student):
    layers = [name for name, module in load_teacher(CPU).named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert layers
    for name in layers:
        assert student.get_submodule(name).lora_A["default"].weight.requires_grad, name
    trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
    assert 2 * sum(parameter.numel() for parameter in trained) < 4e6  # bytes in float16


def test_clean_latents_are_those_of_the_sampler(student):
    scheduler = LCMScheduler.from_pretrained(DIFFUSION / "scheduler")
    generator = torch.Generator().manual_seed(0)
    latents, prompts = torch.randn(1, 24, 8, 8, generator=generator), torch.randn(1, 16, 256, generator=generator)
    for steps in (1, 4, 2):
        scheduler.set_timesteps(steps)
        assert set(scheduler.timesteps.tolist()) <= {FIRST, *LATER}
    for timestep in scheduler.timesteps:
        timesteps = timestep[None]
        with torch.no_grad():
            ours = predict(student, latents, timesteps, prompts, signal_and_noise(scheduler, timesteps))
            with torch.autocast("cpu", torch.bfloat16):
                velocity = student(latents, timesteps, prompts).sample.float()
        theirs = scheduler.step(velocity, timestep, latents, generator=generator).denoised
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_solutions_appear_while_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    solutions = TeacherSolutions(CPU)
    with pytest.raises(SystemExit, match=r"run python -m recipes\.tiny\.teacher_solutions first"):
        solutions(1, torch.Generator())
    _chunk_path(0).parent.mkdir(parents=True)
    for index in range(2):
        rows = torch.arange(128).half() + 128 * index
        torch.save(dict.fromkeys(("prompts", "noise", "latents"), rows[:, None]), _chunk_path(index))
        drawn = solutions(500, torch.Generator().manual_seed(0))
        assert all(torch.equal(each, drawn[0]) and each.dtype == torch.float32 for each in drawn)
        assert 128 * index <= drawn[0].max() < 128 * (index + 1)


def test_the_written_lora_is_loaded_by_diffusers(student, tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.tiny.distill_diffusion.FOLDER", tmp_path)
    nn.init.ones_(student.conv_in.lora_B["default"].weight)
    save_lora(student)
    pipeline = StableDiffusionPipeline.from_pretrained(DIFFUSION)
    pipeline.load_lora_weights(tmp_path / "lcm")
    for name, tensor in pipeline.unet.state_dict().items():
        if "lora_" in name:
            expected = student.get_parameter(name.replace("default_0", "default"))
            torch.testing.assert_close(tensor, expected.half().float(), msg=name)
