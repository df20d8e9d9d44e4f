"""Convolutions in another memory layout: equal results for any shape."""

import copy

import pytest
import torch
from torch import nn

from photism.audioldm2.onednn_layout import FEW_POSITIONS, PointwiseConv, SequenceConv, SpatialConv, use_onednn
from photism.encoder.onednn import Linear


@pytest.mark.parametrize("width", [FEW_POSITIONS // 4, FEW_POSITIONS // 4 + 1])
def test_channels_are_last_with_many_positions_only(width, monkeypatch):
    model, given = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1)), []
    with use_onednn(model):
        monkeypatch.setattr(nn.Conv2d, "forward", lambda module, image: given.append(image))
        for layout in (torch.contiguous_format, torch.channels_last):
            model(torch.randn(2, 4, 2, width).contiguous(memory_format=layout))
        few = 4 * width <= FEW_POSITIONS
        for image in given:
            assert image.is_contiguous() == few
            assert image.is_contiguous(memory_format=torch.channels_last) != few


def test_without_onednn_the_model_does_not_change(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(2, 2))
    with use_onednn(model):
        assert [type(module) for module in model] == [nn.Conv2d, nn.Linear]


@pytest.mark.parametrize("side", [3, 40])  # few and many positions
@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kernel_size": 1}, PointwiseConv),
        ({"kernel_size": 1, "stride": 2}, SpatialConv),
        ({"kernel_size": 3, "padding": 1}, SpatialConv),
        ({"kernel_size": 3, "padding": "same", "dilation": 2}, SpatialConv),
        ({"kernel_size": (3, 1), "padding": (1, 0), "bias": False}, SpatialConv),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "circular"}, nn.Conv2d),
        ({"kernel_size": 3, "groups": 2}, nn.Conv2d),
    ],
)
def test_two_dimensional_convolutions(settings, kind, side, is_last):
    expected = nn.Conv2d(4, 6, **settings)
    model = nn.Sequential(copy.deepcopy(expected), nn.Linear(1, 1))
    with use_onednn(model):
        assert [type(module) for module in model] == [kind, Linear]
        image = torch.randn(2, 4, side, side)
        assert (2 * side * side > FEW_POSITIONS) == (side == 40)
        given = image.contiguous(memory_format=torch.channels_last) if is_last else image
        torch.testing.assert_close(model[0](given), expected(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [9, 2000])
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kernel_size": 1}, SequenceConv),
        ({"kernel_size": 7, "padding": 9, "dilation": 3}, SequenceConv),
        ({"kernel_size": 4, "stride": 2, "bias": False}, SequenceConv),
        ({"kernel_size": 5, "padding": "same"}, SequenceConv),
        ({"kernel_size": 3, "groups": 4}, nn.Conv1d),
    ],
)
def test_one_dimensional_convolutions(settings, kind, length):
    expected = nn.Conv1d(4, 8, **settings)
    model = nn.Sequential(copy.deepcopy(expected))
    with use_onednn(model):
        assert type(model[0]) is kind
        sound = torch.randn(1, 4, length)
        torch.testing.assert_close(model[0](sound), expected(sound), atol=1e-5, rtol=1e-5)
