"""Choose the device and the dtype that a model runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photism.errors import InputError
from photism.settings import SettingError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float16", "bfloat16")
"""Names of the dtypes that a model's weights can have."""


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the device of that name; without a name CUDA if there is a GPU, else MPS, else the CPU.

    Raises:
        InputError: this machine has no such device.
    """
    import torch

    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, NotImplementedError, RuntimeError) as error:  # which one depends on the build of torch
        reason = str(error).partition("\n")[0]
        raise InputError(f"device must be one of this machine, such as cpu or cuda; got {device!s}: {reason}") from None


def choose_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the dtype of that name.

    Raises:
        SettingError: models are not computed in that dtype.
    """
    import torch

    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise SettingError("dtype", f"must be one of {', '.join(DTYPES)}; got {dtype}")
    return getattr(torch, name)
