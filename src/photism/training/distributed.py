"""What several processes do together; a single one does it alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from photism.errors import InputError

ADDED_AT_ONCE = 2**26
"""Numbers of gradients in a message: 256 MB."""

T = TypeVar("T")


class Processes:
    """The processes of a training.

    Args:
        accelerator: accelerate's.
        fsdp: share the weights out over them.

    Attributes:
        count, index: how many there are, and which one this is.
        is_sharded: whether each holds a share of the weights.
        is_main: whether it is the one that writes.
        device: of this one.
    """

    def __init__(self, accelerator: Any, *, fsdp: bool = False) -> None:
        self.accelerator = accelerator
        self.count: int = accelerator.num_processes
        self.is_sharded = fsdp and self.count > 1
        self.index: int = accelerator.process_index
        self.is_main: bool = accelerator.is_main_process
        self.device: torch.device = accelerator.device

    def check_batch(self, batch_size: int) -> None:
        """That each process can take as many sounds of a batch.

        Raises:
            InputError: it cannot be shared out evenly.
        """
        if batch_size % self.count:
            raise InputError(f"batch_size must be a multiple of the {self.count} processes; got {batch_size}")

    def share(self, items: Sequence[T], index: int | None = None) -> list[T]:
        """What one process takes, by default this one: of items in the order of their size as much as the others."""
        return list(items[self.index if index is None else index :: self.count])

    def dealt(self, items: Sequence[T]) -> list[T]:
        """All items in the order in which `gather` returns the processes' shares."""
        return [item for index in range(self.count) for item in self.share(items, index)]

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all, without a gradient; each process has as many."""
        return self.accelerator.gather(rows)

    def collect(self, items: list[T]) -> list[T]:
        """The items of all processes, of any kind: those of the first, then those of the next ones."""
        if self.count == 1:
            return items
        from accelerate.utils import gather_object

        return gather_object(items)

    def any(self, condition: bool) -> bool:
        """Whether it holds in any process."""
        if self.count == 1:
            return condition
        flag = torch.tensor([float(condition)], device=self.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Puts the sum over all processes into each tensor."""
        if self.count == 1:
            return
        held: list[Tensor] = []
        for tensor in tensors:
            held.append(tensor)
            if sum(each.numel() for each in held) >= ADDED_AT_ONCE:
                _add_up(held)
                held = []
        if held:
            _add_up(held)

    def wait(self) -> None:
        """Until all have come here."""
        self.accelerator.wait_for_everyone()


def new_accelerator(*, cpu: bool) -> Any:
    """accelerate's, which finds the processes that torchrun or accelerate has started, and their devices.

    Args:
        cpu: train on the processor even where there is a GPU.

    Raises:
        InputError: it is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError:
        raise InputError("training needs accelerate: pip install 'photism[train]'") from None
    return Accelerator(cpu=cpu)


def _add_up(tensors: Sequence[Tensor]) -> None:
    sizes = [tensor.numel() for tensor in tensors]
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split(sizes), strict=True):
        tensor.copy_(total.view_as(tensor))
