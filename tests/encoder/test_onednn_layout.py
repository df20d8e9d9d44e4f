"""Convolutions in another memory layout or by another algorithm: equal results for any shape."""

import copy

import pytest
import torch
from torch import nn

from photism.encoder import onednn_layout
from photism.encoder.onednn import Linear
from photism.encoder.onednn_layout import (
    FEW_POSITIONS,
    WINOGRAD_CHANNELS,
    WINOGRAD_POSITIONS,
    PointwiseConv,
    SequenceConv,
    SpatialConv,
    onednn_copy,
    use_onednn,
)


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


@pytest.mark.parametrize(
    ("settings", "size", "is_winograd"),
    [
        ({"padding": 1}, (WINOGRAD_POSITIONS // 32, 32), True),
        ({"padding": "same", "bias": False}, (WINOGRAD_POSITIONS // 32, 33), True),
        ({"padding": 1}, (WINOGRAD_POSITIONS // 32, 31), False),
        ({"padding": 0}, (WINOGRAD_POSITIONS // 32, 32), False),
        ({"padding": 1, "stride": 2}, (WINOGRAD_POSITIONS // 32, 32), False),
        ({"padding": 1, "out_channels": WINOGRAD_CHANNELS - 1}, (WINOGRAD_POSITIONS // 32, 32), False),
    ],
)
def test_large_convolutions_are_computed_by_winograd(settings, size, is_winograd, monkeypatch):
    used = []
    conv3x3 = onednn_layout.winograd.conv3x3
    monkeypatch.setattr(onednn_layout.winograd, "conv3x3", lambda *given: used.append(True) or conv3x3(*given))
    given = nn.Conv2d(WINOGRAD_CHANNELS, **{"out_channels": WINOGRAD_CHANNELS, "kernel_size": 3, **settings})
    model, image = nn.Sequential(given), torch.randn(1, WINOGRAD_CHANNELS, *size)
    with torch.no_grad():
        torch.testing.assert_close(onednn_copy(model)(image), given(image), atol=1e-5, rtol=1e-5)
    assert bool(used) == is_winograd
    used.clear()
    onednn_copy(model)(image).sum().backward()  # torch computes the gradients
    assert not used


def test_a_copy_leaves_the_model_as_it_is():
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(2, 2))
    copied = onednn_copy(model)
    assert [type(module) for module in copied] == [SpatialConv, Linear]
    assert [type(module) for module in model] == [nn.Conv2d, nn.Linear]
    assert copied[0].weight is model[0].weight


def test_a_model_that_others_observe_is_not_copied():
    def model():
        return nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(2, 2))

    hooked, wrapped, compiled = model(), model(), model()
    hooked[1].register_forward_hook(lambda module, inputs, output: None)
    wrapped[0].forward = wrapped[0].forward
    compiled[1].compile()
    for observed in (hooked, wrapped, compiled, model().bfloat16(), nn.Sequential(nn.ReLU())):
        assert onednn_copy(observed) is observed
