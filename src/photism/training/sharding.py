"""Weights shared out over processes by FSDP, so that a model is trained that one device could not hold.

Source: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from photism.encoder.conformer import ConformerLayer
from photism.encoder.model import Encoder

Model = TypeVar("Model", bound=nn.Module)


def shard(model: Model, device: torch.device) -> Model:
    """The model with each of its encoder's layers shared out, in place."""
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for module in model.modules():
        if isinstance(module, ConformerLayer):
            fully_shard(module, mesh=mesh)
        if isinstance(module, Encoder):
            # By this it knows that every process must run every layer, those that layerdrop leaves out too.
            object.__setattr__(module, "_is_fsdp_managed_module", True)
    # By default what lies outside of the layers stays together after a forward pass, and would not see that weights and
    # their average are exchanged to measure it.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    return model


def whole(tensor: Tensor, *, like: Tensor | None = None) -> Tensor:
    """All of a tensor of which each process may hold a share, on the processor; every process has to ask for it.

    Where nothing is shared out it is the tensor itself, to be read at once: a copy would be as large as the model.

    Args:
        tensor: a parameter, or what belongs to one.
        like: the parameter, where `tensor` is a bare share of such a one.
    """
    if isinstance(like, DTensor) and not isinstance(tensor, DTensor) and tensor.ndim:
        tensor = DTensor.from_local(tensor, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())
    full: Any = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous()


def whole_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor as the parameter is: on its device, in its layout, shared out as it is."""
    if isinstance(parameter, DTensor):
        return distribute_tensor(tensor.to(parameter.device), parameter.device_mesh, parameter.placements)
    return torch.empty_like(parameter).copy_(tensor)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
