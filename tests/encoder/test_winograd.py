"""Winograd's algorithm: the convolution of torch, for any shape."""

import pytest
import torch
from torch.nn.functional import conv2d

from photism.encoder import winograd
from photism.encoder.winograd import conv3x3


@pytest.mark.parametrize(
    ("batch", "in_channels", "out_channels", "height", "width"),
    [(1, 1, 1, 1, 1), (2, 5, 7, 9, 14), (1, 64, 96, 8, 8), (1, 3, 2, 4, 1029), (2, 2, 3, 70, 66)],
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_outputs_are_those_of_a_convolution(batch, in_channels, out_channels, height, width, has_bias):
    torch.manual_seed(0)
    image = torch.randn(batch, in_channels, height, width)
    weight = torch.randn(out_channels, in_channels, 3, 3) / (9 * in_channels) ** 0.5
    bias = torch.randn(out_channels) if has_bias else None
    expected = conv2d(image.double(), weight.double(), None if bias is None else bias.double(), padding=1)
    found = conv3x3(image, weight, bias)
    torch.testing.assert_close(found, expected.float(), atol=2e-5, rtol=0)
    assert found.is_contiguous(memory_format=torch.channels_last) or height % 4 or width % 4


@torch.no_grad()
@pytest.mark.parametrize("input_tiles", [1, 3, 1000])
@pytest.mark.parametrize("kernels", [1, 3, 7])
def test_any_part_may_be_computed_at_once(input_tiles, kernels, monkeypatch):
    torch.manual_seed(0)
    image, weight, bias = torch.randn(3, 5, 10, 9), torch.randn(7, 5, 3, 3), torch.randn(7)
    size = winograd.PATCH**2 * 5 * 4  # bytes of the values of a tile, and of a kernel, with 5 channels
    monkeypatch.setattr(winograd, "INPUT_BYTES", input_tiles * size)
    monkeypatch.setattr(winograd, "WEIGHT_BYTES", kernels * size)
    monkeypatch.setattr(winograd, "KEPT_BYTES", 7 * size - 1)
    torch.testing.assert_close(conv3x3(image, weight, bias), conv2d(image, weight, bias, padding=1), atol=5e-5, rtol=0)
