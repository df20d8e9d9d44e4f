"""Let a call of a diffusers pipeline compute on a CPU with faster layers that have the weights of its models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from photism.encoder.kernels import current_kernels
from photism.encoder.onednn_layout import onednn_copy

MANY_WEIGHTS = 2**24
"""Weights from which a model gains more time than copying its modules takes, some milliseconds in each call."""


def use_faster_layers(diffusion: Any) -> None:
    """Replace the models of a pipeline that generate images by copies with faster layers, and equal results.

    Nothing is put into the models themselves: other threads may use them, and they are as before after the call.

    Args:
        diffusion: a shallow copy of a pipeline, for one call.
    """
    for name in ("unet", "controlnet", "vae"):
        model = getattr(diffusion, name, None)
        if model is not None and sum(weight.numel() for weight in model.parameters()) >= MANY_WEIGHTS:
            vars(diffusion)[name] = faster_copy(model)  # setting the attribute would record its class again


def faster_copy(model: Any) -> Any:
    """Return a copy of a model of diffusers with faster layers for one call; the model itself if it has none."""
    from diffusers.models.attention import FeedForward

    copy = onednn_copy(model)
    if copy is not model:
        for module in copy.modules():
            if type(module) is FeedForward:
                vars(module)["forward"] = partial(_in_blocks, module.forward)
    return copy


def _in_blocks(feed_forward: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Compute a few tokens at a time, whose wide states fit into a cache: (…, in) -> (…, out)."""
    blocks = states.flatten(0, -2).split(current_kernels().tokens_at_once)
    return torch.cat([feed_forward(block) for block in blocks]).unflatten(0, states.shape[:-1])
