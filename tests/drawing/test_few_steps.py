"""Checkpoints that were distilled to a few steps: their own defaults, and guidance that is off or built in."""

import json
import shutil
from copy import deepcopy

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from photism import AudioToImagePipeline, InputError

TURBO = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing", "prediction_type": "epsilon"}


@pytest.fixture(scope="module")
def turbo_folder(models, tmp_path_factory):
    """A copy of the diffusion model with the scheduler of sd-turbo."""
    folder = shutil.copytree(models / "sd/diffusion", tmp_path_factory.mktemp("few") / "sd-turbo")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "scheduler": ["diffusers", TURBO["_class_name"]]}))
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(TURBO))
    return folder


def load(models, **settings):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **settings)


def test_turbo_takes_one_step_without_guidance(models, turbo_folder, sounds):
    pipeline = load(models, diffusion=turbo_folder)
    used = pipeline(sounds[0]).settings
    assert (used.num_inference_steps, used.guidance_scale) == (1, 1.0)
    assert pipeline.image_generator(used).negative_prompt is None
    given = pipeline(sounds[0], num_inference_steps=2, guidance_scale=1.5, negative="silence").settings
    assert (given.num_inference_steps, given.guidance_scale) == (2, 1.5)
    with pytest.raises(InputError, match="negative needs a guidance_scale above 1: this model was distilled"):
        pipeline(sounds[0], negative="silence")
    pipeline.image_generator(used)


def test_turbo_stays_distilled_with_another_scheduler(models, turbo_folder):
    assert load(models, diffusion=turbo_folder, scheduler="dpm++").num_inference_steps == 1
    ordinary = load(models, scheduler="euler:trailing")
    assert (ordinary.num_inference_steps, ordinary.guidance_scale) == (50, 7.5)


def test_strength_leaves_one_step_of_a_distilled_model(models, turbo_folder, sounds):
    pipeline = load(models, diffusion=turbo_folder, task="image-to-image")
    used = pipeline(sounds[0], image=Image.new("RGB", (32, 32)), strength=0.4).settings
    assert used.num_inference_steps == 3


def test_a_lora_declares_scheduler_and_steps(models, parts, tmp_path):
    source = parts / "lora-sd/pytorch_lora_weights.safetensors"
    metadata = {"format": "pt", "num_inference_steps": "2", "guidance_scale": "1.0", "scheduler": "lcm"}
    save_file(load_file(source), tmp_path / "few.safetensors", metadata=metadata)
    pipeline = load(models, lora=tmp_path / "few.safetensors")
    assert type(pipeline.diffusion.scheduler) is diffusers.LCMScheduler
    assert (pipeline.num_inference_steps, pipeline.guidance_scale) == (2, 1.0)
    other = load(models, lora=tmp_path / "few.safetensors", scheduler="ddim")
    assert (type(other.diffusion.scheduler), other.num_inference_steps) == (diffusers.DDIMScheduler, 2)
    plain = load(models, lora=source, scheduler="lcm")
    assert (plain.num_inference_steps, plain.guidance_scale) == (4, 1.0)


@pytest.mark.parametrize(("scheduler", "steps"), [("lcm", 60), (None, 1001)])
def test_steps_are_checked_before_weights_are_loaded(models, monkeypatch, scheduler, steps):
    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "__init__", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(InputError, match=f"num_inference_steps must be at most (50|1000), .*; got {steps}"):
        load(models, scheduler=scheduler, num_inference_steps=steps)


@pytest.mark.parametrize("kind", ["StableDiffusionPipeline", "LatentConsistencyModelPipeline"])
def test_a_latent_consistency_model_has_its_guidance_built_in(models, pipeline, sounds, kind):
    torch.manual_seed(0)
    parts = dict(pipeline.diffusion.components)
    config = {**pipeline.diffusion.unet.config, "time_cond_proj_dim": 32}
    parts["unet"] = diffusers.UNet2DConditionModel.from_config(config).eval()
    parts["scheduler"] = diffusers.LCMScheduler.from_config(parts["scheduler"].config)
    theirs = getattr(diffusers, kind)(**parts, requires_safety_checker=False)
    theirs.set_progress_bar_config(disable=True)
    ours = AudioToImagePipeline(pipeline.encoder, theirs)
    assert (ours.num_inference_steps, ours.guidance_scale, ours.negative) == (4, 8.5, "none")
    prompt = pipeline.encoder.encode(sounds[:1]).prompt_embeds
    for scale in (8.5, 1.0):
        expected = deepcopy(theirs)(
            prompt_embeds=prompt,
            num_inference_steps=4,
            guidance_scale=scale,
            generator=torch.Generator().manual_seed(0),
            **({"negative_prompt_embeds": prompt} if kind == "StableDiffusionPipeline" else {}),
        ).images[0]
        found = ours(sounds[0], guidance_scale=scale).images[0][0]
        assert np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16)).max() <= 1
    with pytest.raises(InputError, match="negative cannot be used: the UNet of this model has its guidance built in"):
        ours(sounds[0], negative="silence")
