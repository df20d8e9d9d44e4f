"""Memory of models: whether it runs out, and how that of an unloaded model is given back."""

from __future__ import annotations

import gc
import sys

RESERVE = 0.1
"""Fraction of the machine's memory, or of a GPU's, below which unused models are unloaded."""


def is_memory_short() -> bool:
    """Return whether the machine, or a GPU that this process uses, has less free memory than the reserve."""
    import psutil

    memory = psutil.virtual_memory()
    if memory.available < RESERVE * memory.total:
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    for device in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's, and free
        if free + cached < RESERVE * total:
            return True
    return False


def trim_memory() -> None:
    """Return what tensors on the CPU have freed to the operating system; glibc keeps it, in each thread by itself."""
    torch = sys.modules.get("torch")
    if torch is not None:
        from photism.device import trim_malloc

        trim_malloc(torch.device("cpu"))


def give_back_memory() -> None:
    """Return the memory of a model that is not used any more to the operating system and the GPU."""
    gc.collect()  # models are in cycles of references
    trim_memory()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
