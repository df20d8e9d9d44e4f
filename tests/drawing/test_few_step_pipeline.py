"""A pipeline of few steps next to the one that it shares its models with."""

import numpy as np
import pytest
import torch

from photism import AudioToImagePipeline
from photism.drawing.few_step_pipeline import few_step_pipeline, has_lcm
from photism.hub import bundled_model
from photism.prompts.settings import PipelineSettings


@pytest.fixture(scope="module")
def pipeline():
    return AudioToImagePipeline.from_pretrained(device="cpu")


def pixels(pipeline, prompts):
    return np.asarray(pipeline(prompts, seed=3).images[0][0]).astype(float)


def test_it_draws_as_one_loaded_with_the_scheduler_lcm_and_leaves_the_other_as_it_is(pipeline):
    prompts = pipeline.encoder.encode([bundled_model() / "examples/elephant.en.ogg"])
    before = {name: tensor.clone() for name, tensor in pipeline.diffusion.unet.state_dict().items()}
    few = few_step_pipeline(pipeline)
    loaded = AudioToImagePipeline.from_pretrained(device="cpu", scheduler="lcm")
    assert (few.num_inference_steps, few.guidance_scale) == (loaded.num_inference_steps, loaded.guidance_scale)
    np.testing.assert_allclose(pixels(few, prompts), pixels(loaded, prompts), atol=2)
    assert type(pipeline.diffusion.scheduler) is not type(few.diffusion.scheduler)
    assert (pipeline.num_inference_steps, pipeline.guidance_scale) == (12, 3.0)
    for name, tensor in pipeline.diffusion.unet.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
        assert tensor.is_contiguous()
    for name in ("vae", "text_encoder", "tokenizer"):
        assert getattr(few.diffusion, name) is getattr(pipeline.diffusion, name)
    assert few.encoder is pipeline.encoder


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"model": bundled_model() / "language"}, False),
        ({"model": "nobody/nothing"}, False),
        ({"scheduler": "ddim"}, False),
        ({"diffusion": "nobody/nothing"}, False),
        ({"compile": True}, False),
        ({"offload": "model"}, False),
    ],
)
def test_which_models_have_few_steps(changes, expected):
    assert has_lcm(PipelineSettings(**changes)) is expected


def test_a_pipeline_of_few_steps_is_not_copied(pipeline):
    few = few_step_pipeline(pipeline)
    assert few_step_pipeline(few) is few


def test_a_model_without_an_lcm_lora_stays(models):
    own = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert few_step_pipeline(own) is own
