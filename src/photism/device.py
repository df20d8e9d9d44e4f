"""Choose the device and the dtype that a model runs in, and ask for and return memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.settings import SettingError, setting

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float16", "bfloat16")
"""Names of the dtypes that a model's weights can have."""
FLOAT32, BF16, INT8 = "float32", "bf16", "int8"
PRECISIONS = (FLOAT32, BF16, INT8)
"""Precisions of the products of a model whose weights are float32, on a CPU."""
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Environment variables by which oneDNN, and torch's interface to it, limit the compiled kernels that they keep."""
CACHED_KERNELS = "128"
"""Kernels that are kept: more than the shapes of a step of Stable Diffusion, or of a batch of recordings."""
MALLOC_OPTIONS = ((-3, 2**26), (-1, 2**31 - 1), (-8, 1))
"""Options of glibc's `mallopt` and their values: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD in bytes, and M_ARENA_MAX, since
the arenas of other threads have no blocks of such a size. Larger blocks are returned as before: with a threshold of
1 GB instead of 64 MB, decoding with the VAE of Stable Diffusion takes a tenth less time and a fourth more memory."""


def device_setting() -> Any:
    """Declare the device of a model."""
    return setting(
        None,
        "Device to compute on: cpu, cuda, cuda:1 or mps. Default: a GPU if there is one.",
        metavar="DEVICE",
        group="speed",
    )


def dtype_setting() -> Any:
    """Declare the data type of a model's weights."""
    return setting("float32", "Data type of the weights.", choices=DTYPES, group="speed")


def precision_setting() -> Any:
    """Declare the precision of a model's linear layers on a CPU."""
    return setting(
        FLOAT32,
        "Precision of linear layers on a CPU: bf16, on CPUs with AVX-512 BF16 or AMX, and int8 are faster, with "
        "slightly other results.",
        choices=PRECISIONS,
        group="speed",
    )


def choose_device(device: int | str | torch.device | None) -> torch.device:
    """Return the device of that name; without a name CUDA if there is a GPU, else MPS, else the CPU.

    Args:
        device: name; or as in the pipelines of transformers the number of a GPU, which is the CPU if it is below 0 or
            the machine has no GPU.

    Raises:
        InputError: this machine has no such device.
    """
    import torch

    if isinstance(device, int):
        has_gpus = torch.cuda.is_available()
        device = "cpu" if device < 0 else f"cuda:{device}" if has_gpus else None
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.empty(0, device=device).device
    except (AssertionError, NotImplementedError, RuntimeError) as error:  # which one depends on the build of torch
        reason = str(error).partition("\n")[0]
    else:
        if found.type != "meta":
            return found
        reason = "it computes no values"
    raise InputError(f"device must be one of this machine, such as cpu or cuda; got {device!s}: {reason}")


def limit_kernel_caches() -> None:
    """Limit the memory of oneDNN's compiled kernels, unless the user has set a limit; before torch is imported.

    oneDNN compiles a kernel for each shape, and keeps 1024 of them twice. Recordings of a thousand lengths would fill a
    gigabyte, and hardly ever find a kernel of their own length in it.
    """
    for name in KERNEL_CACHES:
        os.environ.setdefault(name, CACHED_KERNELS)


def keep_freed_memory() -> None:
    """Let glibc use the memory of freed tensors again, unless the user has set how it allocates.

    By default it returns large blocks to the operating system at once, which then has to map new memory, page by page,
    for the next tensor: a fourth of the time of decoding an image with the VAE of Stable Diffusion. The process keeps
    the most memory that it has needed, until `trim_malloc` returns what is free. Does nothing without glibc.
    """
    is_set = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    set_option = _c_function("mallopt")
    if set_option is not None and not is_set:
        for option, value in MALLOC_OPTIONS:
            set_option(option, value)


def let_threads_sleep() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user has set how they wait; before torch is imported.

    By default they spin: where other threads need the cores, such as those of another model, an image of the bundled
    model took over ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def check_compiler() -> None:
    """Check that this machine has the C++ compiler with which torch compiles a model for the CPU.

    Raises:
        SettingError: it has none.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch calls
    if shutil.which(compiler) is None:
        raise SettingError("compile", f"needs a C++ compiler; {compiler} was not found: install it, or set CXX")


def dtype_name(dtype: str | torch.dtype) -> str:
    """Return the name of a dtype, without importing torch.

    Raises:
        SettingError: models are not computed in that dtype.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise SettingError("dtype", f"must be one of {', '.join(DTYPES)}; got {dtype}")
    return name


def choose_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the dtype of that name.

    Raises:
        SettingError: models are not computed in that dtype.
    """
    import torch

    return getattr(torch, dtype_name(dtype))


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU in bytes, or that of the machine for any other device."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def trim_malloc(device: torch.device) -> None:
    """Return the memory that tensors on the CPU have freed to the operating system; do nothing for another device.

    glibc keeps freed memory for later. Tensors of ever different sizes fragment it, and what glibc keeps grows to twice
    what a training step needs.
    """
    trim = _c_function("malloc_trim")
    if device.type == "cpu" and trim is not None:
        trim(0)


@cache
def _c_function(name: str) -> Any:
    """Return a function of glibc, or None if the C library is another one, which does not have it."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
