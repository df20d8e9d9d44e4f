"""Diffusers pipelines of several tasks over the same models; tests/drawing/test_tasks.py draws with them."""

from types import SimpleNamespace

import pytest

from photism import InputError
from photism.prompts.diffusion.pipeline_task import share_models


@pytest.mark.parametrize(("channels", "task"), [(9, "image-to-image"), (9, "text-to-image"), (5, "inpainting")])
def test_a_task_that_the_unet_was_not_trained_for_is_refused(channels, task):
    unet = SimpleNamespace(config=SimpleNamespace(in_channels=channels, out_channels=4))
    with pytest.raises(InputError, match=f"has a UNet of {channels} input channels, which is not for {task}"):
        share_models(SimpleNamespace(unet=unet), task)


def test_a_pipeline_of_which_diffusers_has_no_other_is_refused():
    unet = SimpleNamespace(config=SimpleNamespace(in_channels=4, out_channels=4))
    with pytest.raises(InputError, match="no pipeline for inpainting with the models of SimpleNamespace"):
        share_models(SimpleNamespace(unet=unet, config={}), "inpainting")
