"""Further arguments of the diffusers pipeline: applied as diffusers does, or refused before anything is encoded."""

from copy import copy

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError
from photism.schedulers import parse_scheduler

TIMESTEPS = [999, 600, 200]


@pytest.fixture(autouse=True)
def encoded(monkeypatch):
    """Recordings that were encoded."""
    recordings = []
    encode = AudioPromptEncoder.encode
    monkeypatch.setattr(
        AudioPromptEncoder,
        "encode",
        lambda self, some, **keywords: recordings.append(some) or encode(self, some, **keywords),
    )
    return recordings


@pytest.mark.parametrize(
    ("scheduler", "settings", "message"),
    [
        ("lcm", {"num_inference_steps": 60}, "num_inference_steps must be at most 50, the original_inference_steps"),
        ("dpm++", {"num_inference_steps": 1001}, "num_inference_steps must be at most 1000, the steps of training"),
        (None, {"diffusion_arguments": {"timesteps": TIMESTEPS}}, "timesteps cannot be used: DDIMScheduler chooses"),
        ("dpm++", {"diffusion_arguments": {"sigmas": [3.0, 1.0]}}, "sigmas cannot be used: DPMSolverMultistepSched"),
        (
            "lcm",
            {"num_inference_steps": 4, "diffusion_arguments": {"timesteps": TIMESTEPS}},
            "num_inference_steps must be 3, the number of timesteps in diffusion_arguments, or omitted; got 4",
        ),
        ("euler", {"diffusion_arguments": {"timesteps": TIMESTEPS, "sigmas": [1.0]}}, "either timesteps or sigmas"),
        ("lcm", {"diffusion_arguments": {"timesteps": 4}}, "must contain timesteps as a list of numbers; got 4"),
        (None, {"diffusion_arguments": {"clip_skip": 1}}, "clip_skip, which has no effect: the prompt comes from"),
        (None, {"diffusion_arguments": {"ip_adapter_image": "a.png"}}, "no effect: no IP-Adapter is loaded"),
        ("euler", {"diffusion_arguments": {"eta": 0.5}}, "eta, which has no effect: EulerDiscreteScheduler takes none"),
        (
            None,
            {"negative": "none", "diffusion_arguments": {"guidance_rescale": 0.7}},
            "guidance_rescale, which has no effect: images are generated without guidance",
        ),
        (
            None,
            {"diffusion_arguments": {"cross_attention_kwargs": {"scale": 0.5}}},
            "cross_attention_kwargs contains scale, which the UNet's processors ignore: they take none",
        ),
        (None, {"diffusion_arguments": {"kwargs": {}}}, "contains kwargs, which StableDiffusionPipeline does not take"),
        (
            None,
            {"diffusion_arguments": {"callback_on_step_end_tensor_inputs": []}},
            "must not contain callback_on_step_end_tensor_inputs, which Photism sets",
        ),
    ],
)
def test_what_would_be_ignored_is_refused_before_a_recording_is_encoded(
    pipeline, sounds, encoded, monkeypatch, scheduler, settings, message
):
    if scheduler is not None:
        other = parse_scheduler(scheduler).apply(pipeline.diffusion.scheduler.config)
        monkeypatch.setattr(pipeline.diffusion, "scheduler", other)
    with pytest.raises(InputError, match=message):
        pipeline(sounds[0], **settings)
    assert not encoded


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt_2": "rain"}, "must not contain prompt_2, which Photism sets"),
        (
            {"negative_original_size": (64, 64)},
            "negative_original_size and negative_target_size must be given together",
        ),
        ({"negative_crops_coords_top_left": (4, 4)}, "must be given together"),
    ],
)
def test_arguments_of_xl(xl, sounds, arguments, message):
    with pytest.raises(InputError, match=message):
        xl(sounds[0], num_inference_steps=1, diffusion_arguments=arguments)


def test_image_to_image(models, sounds, encoded):
    pipeline = AudioToImagePipeline.from_pretrained(models / "xl", task="image-to-image", device="cpu")
    image = Image.new("RGB", (32, 32))
    with pytest.raises(InputError, match=r"aesthetic_score, which has no effect: .*requires_aesthetics_score"):
        pipeline(sounds[0], image=image, diffusion_arguments={"aesthetic_score": 7.0})
    with pytest.raises(InputError, match=r"strength 0\.3 leaves none of 2 num_inference_steps; raise one of them"):
        pipeline(sounds[0], image=image, num_inference_steps=2)
    assert not encoded


def test_custom_timesteps_and_eta_are_those_of_diffusers(models, sounds, pipeline):
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    theirs.set_progress_bar_config(disable=True)
    prompt = pipeline.encoder.encode(sounds[:1]).prompt_embeds
    common = {"prompt_embeds": prompt, "negative_prompt_embeds": pipeline.encoder.negative[None, : prompt.shape[1]]}
    lcm = AudioToImagePipeline(pipeline.encoder, copy(pipeline.diffusion))
    lcm.diffusion.scheduler = parse_scheduler("lcm").apply(pipeline.diffusion.scheduler.config)
    found = lcm(sounds[0], guidance_scale=2.0, diffusion_arguments={"timesteps": TIMESTEPS})
    assert found.settings.num_inference_steps == 3
    for ours, scheduler, arguments in (
        (found, lcm.diffusion.scheduler, {"timesteps": TIMESTEPS, "guidance_scale": 2.0}),
        (
            pipeline(sounds[0], num_inference_steps=3, diffusion_arguments={"eta": 1.0, "guidance_rescale": 0.5}),
            pipeline.diffusion.scheduler,
            {"num_inference_steps": 3, "eta": 1.0, "guidance_rescale": 0.5},
        ),
    ):
        theirs.scheduler = type(scheduler).from_config(scheduler.config)
        expected = theirs(**common, **arguments, generator=torch.Generator().manual_seed(0)).images[0]
        apart = np.abs(np.asarray(ours.images[0][0], np.int16) - np.asarray(expected, np.int16))
        assert apart.max() <= 1
