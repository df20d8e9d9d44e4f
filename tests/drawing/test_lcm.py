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
    # Things of which the training data have one image; of a strawberry, fewer steps choose another one.
    names = ("dolphin.ro", "elephant.en", "tomato.ru")
    prompts = fast.encoder.encode([bundled_model() / f"examples/{name}.ogg" for name in names])
    slow = AudioToImagePipeline.from_pretrained(device="cpu")
    assert (slow.num_inference_steps, slow.guidance_scale) == (12, 3.0)
    two, twelve = (thumbnails([row[0] for row in each(prompts).images]) for each in (fast, slow))
    distance = torch.cdist(two, twelve) / two.shape[1] ** 0.5
    assert distance.diag().max() < 0.08 < 0.3 < distance.fill_diagonal_(1.0).min()


def test_diffusers_loads_the_same_weights(fast):
    assert (bundled_model() / FILE).stat().st_size <= 4e6
    peer = StableDiffusionPipeline.from_pretrained(bundled_model() / "diffusion", dtype=torch.float32)
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
