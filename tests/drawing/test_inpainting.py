"""Weights of a generated image along the seam of a mask."""

from copy import copy

import numpy as np
import pytest
from PIL import Image

from photism.drawing.inpainting import allow_latents, seam_weights


def mask_of(row):
    return Image.fromarray(np.array(row, np.uint8)[None].repeat(7, 0))


@pytest.mark.parametrize(
    ("seam", "weights"),
    [
        (0, [0, 0, 255, 255, 255, 255, 255, 255]),
        (1, [0, 0, 128, 255, 255, 255, 255, 255]),
        (4, [0, 0, 51, 102, 153, 204, 255, 255]),
        (100_000, [0, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_weights_rise_from_the_black_area(seam, weights):
    found = np.asarray(seam_weights(mask_of([0, 0, 255, 255, 255, 255, 255, 255]), seam))
    np.testing.assert_array_equal(found, [weights] * 7)


def test_a_narrow_white_area_keeps_some_weight_and_the_border_of_an_image_is_no_seam():
    np.testing.assert_array_equal(np.asarray(seam_weights(mask_of([0, 0, 255, 255, 0, 0]), 3))[0], [0, 0, 64, 64, 0, 0])
    assert seam_weights(mask_of([255] * 6), 3).getextrema() == (255, 255)


def test_a_unet_for_more_channels_is_taken_and_stays_as_it_is(pipeline):
    """diffusers takes latents of 4 channels only; the bundled model has 24."""
    inpainting = pipeline.for_task("inpainting").diffusion
    own = copy(inpainting)
    allow_latents(own)
    assert own.unet is inpainting.unet
    wide = copy(inpainting)
    unet = vars(wide)["unet"] = copy(inpainting.unet)
    unet._internal_dict = type(unet.config)({**unet.config, "in_channels": 24})
    vae = vars(wide)["vae"] = copy(inpainting.vae)
    vae._internal_dict = type(vae.config)({**vae.config, "latent_channels": 24})
    allow_latents(wide)
    assert (wide.unet.config.in_channels, unet.config.in_channels) == (4, 24)
    assert next(wide.unet.parameters()) is next(unet.parameters())
