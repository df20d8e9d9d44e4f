"""A VAE computes in its own dtype, whichever the UNet's is, and in float32 where float16 is too small."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from photism import AudioToImagePipeline

NOISE = {"array": np.random.default_rng(0).standard_normal(16_000).astype(np.float32), "sampling_rate": 16_000}


@pytest.fixture(params=["sd", "xl"])
def half(request, models):
    return AudioToImagePipeline.from_pretrained(models / request.param, device="cpu", dtype="float16")


def draw(pipeline, **settings):
    return np.asarray(pipeline(NOISE, num_inference_steps=2, seed=0, **settings).images[0][0])


def decoded_in_float32(pipeline):
    """Return the image that a copy of the VAE in float32 decodes from the latents of a drawing."""
    diffusion, latents = pipeline.diffusion, []
    vae = deepcopy(diffusion.vae).float()

    def decode(tensor, **_):
        latents.append(tensor.float())
        return vae.decode(latents[0], return_dict=False)

    diffusion.vae.decode = decode
    draw(pipeline)
    del diffusion.vae.decode
    return np.asarray(diffusion.image_processor.postprocess(vae.decode(latents[0]).sample.detach())[0])


def test_a_float32_vae_next_to_a_float16_unet(half):
    half.diffusion.vae.to(torch.float32)
    np.testing.assert_array_equal(draw(half), decoded_in_float32(half))
    assert half.diffusion.vae.dtype == torch.float32


@pytest.mark.parametrize("is_forced", [False, True])
def test_force_upcast(half, is_forced):
    half.diffusion.vae.register_to_config(force_upcast=False)
    expected = decoded_in_float32(half)
    half.diffusion.vae.register_to_config(force_upcast=is_forced)
    dtypes = []
    half.diffusion.vae.decoder.register_forward_pre_hook(lambda _, inputs: dtypes.append(inputs[0].dtype))
    drawn = draw(half)
    assert dtypes == [torch.float32 if is_forced else torch.float16]
    assert half.diffusion.vae.dtype == torch.float16
    # diffusers scales the latents of SD XL in float32 as well.
    assert np.abs(drawn.astype(int) - expected).max() <= (1 if is_forced else 4)


def test_decoding_that_overflows_is_repeated_in_float32(half):
    half.diffusion.vae.register_to_config(force_upcast=False)
    with torch.no_grad():
        half.diffusion.vae.decoder.conv_norm_out.weight.fill_(60_000)
        half.diffusion.vae.decoder.conv_norm_out.bias.fill_(10)
    drawn = draw(half)
    np.testing.assert_array_equal(drawn, decoded_in_float32(half))
    assert half.diffusion.vae.dtype == torch.float16
    assert drawn.any()


@pytest.mark.parametrize("name", ["sd", "xl"])
def test_an_image_is_encoded_by_a_float32_vae(name, models):
    pipeline = AudioToImagePipeline.from_pretrained(models / name, device="cpu", dtype="float16", task="image-to-image")
    pipeline.diffusion.vae.register_to_config(force_upcast=True)
    image = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0)).numpy()
    drawn = draw(pipeline, image=image, strength=0.9)
    pipeline.diffusion.vae.to(torch.float32)
    again = draw(pipeline, image=image, strength=0.9)
    assert np.abs(again.astype(int) - drawn).max() <= 1  # diffusers scales the latents of SD XL in float32 as well
    assert pipeline.diffusion.vae.dtype == torch.float32
