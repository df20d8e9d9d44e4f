"""What a call of a diffusers pipeline shares with other calls, and what it has for itself."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from photism.drawing.concurrent_calls import copy_for_call, exclusive_models
from photism.locks import lock_of


def test_a_call_has_its_own_scheduler_and_shares_the_models(pipeline):
    diffusion = pipeline.diffusion
    before = dict(vars(diffusion))
    call = copy_for_call(diffusion)
    call.scheduler.set_timesteps(3)
    assert vars(diffusion) == before
    assert call.scheduler is not diffusion.scheduler
    assert diffusion.scheduler.num_inference_steps is None
    assert call.unet is diffusion.unet


def fake(*, hooked=False, dtype=torch.float32):
    unet = torch.nn.Linear(1, 1, dtype=dtype)
    unet.dtype = dtype
    if hooked:
        unet._hf_hook = object()
    return SimpleNamespace(unet=unet)


@pytest.mark.parametrize(
    ("made", "arguments", "is_locked"),
    [
        ({}, {}, False),
        ({}, {"eta": 1.0}, False),
        ({"dtype": torch.float16}, {}, True),
        ({"hooked": True}, {}, True),
        ({}, {"cross_attention_kwargs": {"scale": 0.5}}, True),
    ],
)
def test_models_are_locked_if_a_call_changes_them(made, arguments, is_locked):
    diffusion = fake(**made)
    context = exclusive_models(diffusion, arguments)
    assert (context is lock_of(diffusion.unet)) == is_locked
    assert isinstance(context, nullcontext) != is_locked
