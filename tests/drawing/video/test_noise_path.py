"""Path through latent noise: its ends, its variance and its speed."""

import math
from itertools import pairwise

import pytest
import torch

from photism.drawing.video.noise_path import NoisePath
from photism.seeds import SEED_LIMIT

SHAPE = (4, 32, 32)


def path(seed=3, dtype=torch.float32):
    return NoisePath(seed, lambda each: noise_of(each, dtype), device=torch.device("cpu"), dtype=dtype)


def noise_of(seed, dtype=torch.float32):
    return torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_whole_positions_have_the_noise_of_a_seed(dtype):
    noises = path(dtype=dtype)
    for number in (0, 1, 5):
        assert torch.equal(noises.at(number), noise_of(3 + number, dtype))


def test_every_position_has_standard_normal_noise():
    noises = path()
    for position in torch.linspace(0, 2, 21).tolist():
        assert noises.at(position).var() == pytest.approx(1, abs=0.07)
        assert noises.at(position).mean() == pytest.approx(0, abs=0.05)


def test_the_speed_is_constant():
    noises = path()
    path_points = [noises.at(position / 100) for position in range(251)]
    steps = torch.stack([(one - other).square().mean().sqrt() for one, other in pairwise(path_points)])
    assert steps.max() < 1.1 * math.pi / 200  # the length of the arc
    assert steps.min() > 0.9 * math.pi / 200


def test_seeds_wrap_around_at_the_limit():
    assert torch.equal(path(SEED_LIMIT - 1).at(1), noise_of(0))


def test_two_noises_are_in_memory_at_a_time():
    noises = path()
    for position in range(0, 100, 7):
        noises.at(position + 0.5)
        assert len(noises._ends) == 2
