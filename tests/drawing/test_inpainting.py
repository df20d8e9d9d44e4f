"""Weights of a generated image along the seam of a mask."""

import numpy as np
import pytest
from PIL import Image

from photism.drawing.inpainting import seam_weights


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
