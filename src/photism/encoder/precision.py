"""Precision of a model's products on the CPU: float32, bfloat16 or int8."""

from __future__ import annotations

import warnings

import torch

from photism.device import BF16, FLOAT32, INT8, PRECISIONS
from photism.encoder.module_copy import Module
from photism.errors import ModelWarning
from photism.settings import SettingError


def check_precision(precision: str, device: torch.device, dtype: torch.dtype | str) -> None:
    """Check that a model can be computed in a precision.

    Args:
        precision: one of `PRECISIONS`.
        device: device of the model.
        dtype: dtype of its weights, or "auto".

    Raises:
        SettingError: there is no such precision, or it needs another device or dtype.
    """
    _check_name(precision)
    if precision != FLOAT32 and (device.type != "cpu" or dtype != torch.float32):
        raise SettingError("precision", f"{precision} needs the CPU and float32; got device={device} and dtype={dtype}")


def _check_name(precision: str) -> None:
    if precision not in PRECISIONS:
        raise SettingError("precision", f"must be one of {', '.join(PRECISIONS)}; got {precision}")


def choose_precision(precision: str, *, int8: bool) -> str:
    """Return the precision, which is "int8" if the flag `int8` is set.

    Raises:
        SettingError: there is no such precision, or both name one.
    """
    _check_name(precision)
    if int8 and precision not in (FLOAT32, INT8):
        raise SettingError("int8", f"cannot be combined with precision {precision}; give one of them")
    return INT8 if int8 else precision


def with_precision(model: Module, precision: str) -> Module:
    """Return a copy of a model that computes linear layers in another precision, without gradients.

    Where the CPU has no instructions for bfloat16, "bf16" gives a warning and is float32.

    Args:
        model: the model, in float32 on the CPU. It is not changed, and is returned itself for "float32".
        precision: one of `PRECISIONS`.

    Raises:
        SettingError: there is no such precision, or the model is on another device or has another dtype.
    """
    if precision == FLOAT32:
        return model
    weight = next(model.parameters())
    check_precision(precision, weight.device, weight.dtype)
    if precision == INT8:
        from photism.encoder.int8 import quantize_int8

        return quantize_int8(model)
    from photism.encoder.bfloat16 import convert_to_bfloat16, multiplies_bfloat16

    if multiplies_bfloat16():
        return convert_to_bfloat16(model)
    warnings.warn(
        f"precision {BF16} gains nothing on this CPU, which has neither AVX-512 BF16 nor AMX; float32 is used",
        ModelWarning,
        stacklevel=2,
    )
    return model
