"""The bundled model in few steps, with its LCM-LoRA."""

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline

from photism import AudioToImagePipeline
from photism.hub import bundled_model
from photism.prompts.diffusion.lcm import FILE
from recipes.tiny.evaluate import thumbnails


@pytest.fixture(scope="module")
def fast():
    return AudioToImagePipeline.from_pretrained(device="cpu", scheduler="lcm")


def test_two_steps_draw_what_twelve_draw(fast):
    assert (fast.num_inference_steps, fast.guidance_scale) == (2, 1.0)
    prompts = fast.encoder.encode(sorted((bundled_model() / "examples").glob("*.ogg")))
    slow = AudioToImagePipeline.from_pretrained(device="cpu")
    assert (slow.num_inference_steps, slow.guidance_scale) == (12, 3.0)
    two, twelve = (thumbnails([row[0] for row in each(prompts).images]) for each in (fast, slow))
    distance = torch.cdist(two, twelve) / two.shape[1] ** 0.5
    assert distance.argmin(1).tolist() == list(range(len(two)))
    assert distance.diag().max() < 0.08


def test_diffusers_loads_the_same_weights(fast):
    assert (bundled_model() / FILE).stat().st_size <= 4e6
    peer = StableDiffusionPipeline.from_pretrained(bundled_model() / "diffusion")
    peer.scheduler = LCMScheduler.from_config(peer.scheduler.config)
    peer.load_lora_weights(bundled_model() / FILE.parent)
    ours, theirs = (
        each(
            "A banana.",
            num_inference_steps=2,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(0),
            output_type="pt",
        ).images
        for each in (fast.diffusion, peer)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
