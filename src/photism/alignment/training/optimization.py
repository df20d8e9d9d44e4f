"""How weights move: learning rates by layer and step, and the average of where they have been."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

BETAS = (0.9, 0.98)


def make_optimizer(
    parameters: Mapping[str, Tensor],
    depths: Mapping[str, int],
    *,
    learning_rate: float,
    layer_decay: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """AdamW with a learning rate for each depth; what has one axis, a bias or a norm, does not decay.

    Args:
        parameters: to train, by name.
        depths: layers below the top, of each.
        learning_rate: at the top.
        layer_decay: factor from a layer to the one below (https://arxiv.org/abs/1801.06146, section 3.2).
        weight_decay: of matrices.
    """
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault((depths[name], parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": members,
                "weight_decay": weight_decay if decays else 0.0,
                "lr": learning_rate * layer_decay**depth,
                "highest": learning_rate * layer_decay**depth,
            }
            for (depth, decays), members in groups.items()
        ],
        betas=BETAS,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Of every group, that many times its highest."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["highest"]


def schedule(step: int, *, steps: int, warmup_steps: int) -> float:
    """The factor of the learning rate: up in a line to 1, then down by half a cosine, to 0 after the last step."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


class Average:
    """The exponential moving average of weights.

    Args:
        parameters: that are averaged.
        decay: of a step; at first less, so that the average is not held back by where it began.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.tensors = {name: _local(parameter).detach().clone() for name, parameter in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After a step, by its number from 1."""
        decay = min(self.decay, step / (step + 9))
        weights: Any = [_local(parameter) for parameter in self.parameters.values()]
        torch._foreach_lerp_(list(self.tensors.values()), weights, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the average and the weights, in place; once more, and all is as it was."""
        for name, parameter in self.parameters.items():
            weights = _local(parameter)
            held = weights.clone()
            weights.copy_(self.tensors[name])
            self.tensors[name].copy_(held)


def _local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that FSDP has shared out, or the tensor."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor  # pyright: ignore[reportReturnType]
