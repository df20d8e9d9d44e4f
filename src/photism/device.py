"""Choose the device and the dtype that a model runs in."""

from __future__ import annotations

import torch

from photism.errors import InputError


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; where none is named CUDA, else MPS, else the processor.

    Raises:
        InputError: there is no such device here.
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, NotImplementedError, RuntimeError) as error:  # which one depends on the build of torch
        reason = str(error).partition("\n")[0]
        raise InputError(f"device must be one of this machine, such as cpu or cuda; got {device!s}: {reason}") from None
