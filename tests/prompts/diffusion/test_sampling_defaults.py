"""Steps and guidance of checkpoints that were distilled to a few steps, recognised by their configurations."""

from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest

from photism import InputError
from photism.prompts.diffusion.lora import Lora
from photism.prompts.diffusion.sampling_defaults import SamplingDefaults, declared_sampling, sampling_defaults

# As published: stabilityai/sd-turbo, stabilityai/sdxl-turbo.
TURBO = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "trailing"}


def made(scheduler, *, name="folder", **unet):
    config = SimpleNamespace(get={"time_cond_proj_dim": None, **unet}.get)
    return SimpleNamespace(
        scheduler=scheduler, unet=SimpleNamespace(config=config), config={"_name_or_path": f"owner/{name}"}
    )


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (made(diffusers.EulerDiscreteScheduler(**TURBO), name="sd-turbo"), (1, 1.0)),
        (made(diffusers.EulerAncestralDiscreteScheduler(**TURBO), name="SDXL-Turbo"), (1, 1.0)),
        (made(diffusers.EulerDiscreteScheduler(**TURBO), name="sdxl-lightning-merged"), (4, 1.0)),
        (made(diffusers.LCMScheduler()), (4, 1.0)),
        (made(diffusers.TCDScheduler()), (4, 1.0)),
        (made(diffusers.LCMScheduler(), time_cond_proj_dim=256), (4, 8.5)),
        (made(diffusers.DDIMScheduler(), time_cond_proj_dim=256), (4, 8.5)),
        (made(diffusers.EulerDiscreteScheduler(timestep_spacing="leading"), name="turbo"), (None, None)),
        (made(diffusers.EulerDiscreteScheduler(**{**TURBO, "prediction_type": "v_prediction"})), (None, None)),
        (made(diffusers.EulerDiscreteScheduler(**TURBO, rescale_betas_zero_snr=True)), (None, None)),
        (made(diffusers.DPMSolverMultistepScheduler(**TURBO), name="turbo"), (None, None)),
        (made(diffusers.PNDMScheduler(), name="sd-turbo"), (None, None)),
    ],
)
def test_a_distilled_checkpoint_is_recognised(pipeline, expected):
    assert sampling_defaults(pipeline)[:2] == expected


def test_a_lora_declares_its_steps():
    first = Lora("a", Path("a"), 1.0, {"num_inference_steps": "2", "guidance_scale": "1.0", "format": "pt"})
    second = Lora("b", Path("b"), 1.0, {"scheduler": "euler:trailing"})
    assert declared_sampling((first, second)) == SamplingDefaults(2, 1.0, "euler:trailing")
    assert declared_sampling((Lora("c", Path("c"), 1.0, {}),)) == SamplingDefaults()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"num_inference_steps": "few"}, "lora a declares sampling that cannot be used: .*few"),
        ({"num_inference_steps": "0"}, "num_inference_steps must be at least 1; got 0"),
        ({"scheduler": "ddpm"}, "scheduler must be one of ddim"),
    ],
)
def test_a_lora_that_declares_what_cannot_be_used(metadata, message):
    with pytest.raises(InputError, match=message):
        declared_sampling((Lora("a", Path("a"), 1.0, metadata),))
