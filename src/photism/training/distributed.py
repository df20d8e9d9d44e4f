"""Several processes that train one model: collective operations, and FSDP, which shards the weights over them.

Source of the latter: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from photism.encoder.conformer import ConformerLayer
from photism.encoder.model import Encoder
from photism.extras import missing
from photism.settings import SettingError

REDUCED_AT_ONCE = 2**26
"""Numbers in one all-reduce of gradients, 256 MB."""
SECONDS_TO_DROP_TENSORS = 0.3

T = TypeVar("T")
Model = TypeVar("Model", bound=nn.Module)


class DistributedContext:
    """The processes of a training and their collective operations; a single process communicates with nobody.

    Args:
        accelerator: accelerate's `Accelerator`.
        fsdp: shard the weights over the processes.

    Attributes:
        world_size: number of processes.
        rank: number of this process, from 0.
        is_main: whether this process writes files and prints.
        is_sharded: whether each process holds a shard of the weights.
        device: device of this process.
    """

    def __init__(self, accelerator: Any, *, fsdp: bool = False) -> None:
        self.accelerator = accelerator
        self.world_size: int = accelerator.num_processes
        self.rank: int = accelerator.process_index
        self.is_main: bool = accelerator.is_main_process
        self.is_sharded = fsdp and self.world_size > 1
        self.device: torch.device = accelerator.device

    def check_batch_size(self, batch_size: int) -> None:
        """Raise SettingError if the processes cannot have equal parts of a batch."""
        if batch_size % self.world_size:
            raise SettingError("batch_size", f"must be a multiple of the {self.world_size} processes; got {batch_size}")

    def local_slice(self, items: Sequence[T], rank: int | None = None) -> list[T]:
        """Return the items of one process, by default this one: every `world_size`-th, so that sizes are balanced."""
        return list(items[self.rank if rank is None else rank :: self.world_size])

    def gather_order(self, items: Sequence[T]) -> list[T]:
        """Return all items in the order in which the gathering methods return the local slices."""
        return [item for rank in range(self.world_size) for item in self.local_slice(items, rank)]

    def all_gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, without a gradient. Each process must have as many."""
        return self.accelerator.gather(rows)

    def all_gather_objects(self, items: list[T]) -> list[T]:
        """Return the objects of all processes, those of rank 0 first."""
        if self.world_size == 1:
            return items
        from accelerate.utils import gather_object

        return gather_object(items)

    def any(self, condition: bool) -> bool:
        """Return whether a condition holds in any process."""
        if self.world_size == 1:
            return condition
        flag = torch.tensor([float(condition)], device=self.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())

    def all_reduce_sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self.world_size == 1:
            return
        bucket: list[Tensor] = []
        for tensor in tensors:
            bucket.append(tensor)
            if sum(each.numel() for each in bucket) >= REDUCED_AT_ONCE:
                _all_reduce_sum(bucket)
                bucket = []
        if bucket:
            _all_reduce_sum(bucket)

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Wait until all processes have come here, and end their communication."""
        self.barrier()
        self.accelerator.end_training()
        if self.world_size > 1:
            # The threads of gloo drop the tensors of an operation after it has returned, and need Python's lock for it.
            # One that still waits for the lock when Python finalizes aborts the process:
            # https://github.com/pytorch/pytorch/pull/179291. Sleeping gives them the lock.
            time.sleep(SECONDS_TO_DROP_TENSORS)


def new_accelerator(*, cpu: bool) -> Any:
    """Return accelerate's `Accelerator`, which finds the processes that torchrun or accelerate started.

    Args:
        cpu: train on the CPU even if there is a GPU.

    Raises:
        InputError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError:
        raise missing("accelerate", "training", "train") from None
    return Accelerator(cpu=cpu)


def shard(model: Model, device: torch.device) -> Model:
    """Shard each encoder layer of a model, and the rest of the model, over the processes, in place."""
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for module in model.modules():
        if isinstance(module, ConformerLayer):
            fully_shard(module, mesh=mesh)
        if isinstance(module, Encoder):
            # Makes the encoder run every layer in every process, including those that layerdrop skips.
            object.__setattr__(module, "_is_fsdp_managed_module", True)
    # By default the weights outside of the layers stay gathered after a forward pass, and an evaluation would not see
    # that weights and EMA were swapped.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    return model


def full_tensor(tensor: Tensor, *, like: Tensor | None = None) -> Tensor:
    """Return all of a possibly sharded tensor, on the CPU. Collective: call on every rank.

    A tensor that is not sharded may be returned itself, to be read at once: a copy would be as large as the model.

    Args:
        tensor: a parameter, or a tensor that belongs to one.
        like: the parameter, if `tensor` is the bare local shard of a tensor like it.
    """
    if isinstance(like, DTensor) and not isinstance(tensor, DTensor) and tensor.ndim:
        tensor = DTensor.from_local(tensor, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())
    full: Any = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous()


def distribute_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Return a full tensor on the device, in the layout and with the sharding of a parameter."""
    if isinstance(parameter, DTensor):
        return distribute_tensor(tensor.to(parameter.device), parameter.device_mesh, parameter.placements)
    return torch.empty_like(parameter).copy_(tensor)


def local_shard(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _all_reduce_sum(tensors: Sequence[Tensor]) -> None:
    sizes = [tensor.numel() for tensor in tensors]
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split(sizes), strict=True):
        tensor.copy_(total.view_as(tensor))
