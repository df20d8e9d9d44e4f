"""Winograd's algorithm: the convolution of torch, for any shape."""

import pytest
import torch
from torch.nn.functional import conv2d

from photism.encoder.winograd import TILES_AT_ONCE, conv3x3, transform_weight


@pytest.mark.parametrize(
    ("batch", "in_channels", "out_channels", "height", "width"),
    [(1, 1, 1, 1, 1), (2, 5, 7, 9, 14), (1, 64, 96, 8, 8), (1, 3, 2, 4, 4 * TILES_AT_ONCE + 5), (2, 2, 3, 70, 66)],
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_outputs_are_those_of_a_convolution(batch, in_channels, out_channels, height, width, has_bias):
    torch.manual_seed(0)
    image = torch.randn(batch, in_channels, height, width)
    weight = torch.randn(out_channels, in_channels, 3, 3) / (9 * in_channels) ** 0.5
    bias = torch.randn(out_channels) if has_bias else None
    expected = conv2d(image.double(), weight.double(), None if bias is None else bias.double(), padding=1)
    found = conv3x3(image, transform_weight(weight), bias)
    torch.testing.assert_close(found, expected.float(), atol=2e-5, rtol=0)
    assert found.is_contiguous(memory_format=torch.channels_last) or height % 4 or width % 4
