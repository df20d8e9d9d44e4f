"""The way through noise."""

import math
from itertools import pairwise

import pytest
import torch

from photism.drawing.video.noise_path import SEED_LIMIT, NoisePath

SHAPE = (4, 32, 32)


def path(seed=3, dtype=torch.float32):
    return NoisePath(seed, SHAPE, device=torch.device("cpu"), dtype=dtype)


def of_seed(seed, dtype=torch.float32):
    return torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_at_whole_positions_it_is_the_noise_of_a_seed(dtype):
    noises = path(dtype=dtype)
    for number in (0, 1, 5):
        assert torch.equal(noises.at(number), of_seed(3 + number, dtype))


def test_everywhere_it_has_the_variance_of_noise():
    noises = path()
    for position in torch.linspace(0, 2, 21).tolist():
        assert noises.at(position).var() == pytest.approx(1, abs=0.07)
        assert noises.at(position).mean() == pytest.approx(0, abs=0.05)


def test_it_moves_evenly_and_never_jumps():
    noises = path()
    places = [noises.at(position / 100) for position in range(251)]
    steps = torch.stack([(one - other).square().mean().sqrt() for one, other in pairwise(places)])
    assert steps.max() < 1.1 * math.pi / 200  # the length of the arc
    assert steps.min() > 0.9 * math.pi / 200


def test_after_the_last_seed_comes_the_first():
    assert torch.equal(path(SEED_LIMIT - 1).at(1), of_seed(0))


def test_two_noises_are_held_however_far_it_goes():
    noises = path()
    for position in range(0, 100, 7):
        noises.at(position + 0.5)
        assert len(noises._ends) == 2
