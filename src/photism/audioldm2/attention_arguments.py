"""Arguments for the attention processors of a UNet: `cross_attention_kwargs` of a call.

The UNet of AudioLDM 2 in diffusers takes them, and its blocks drop them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from diffusers import Transformer2DModel

from photism.errors import InputError


@contextmanager
def attention_arguments(unet: Any, arguments: Any) -> Generator[None]:
    """Pass further arguments to the attention processors of a UNet until the end of the block.

    Args:
        unet: UNet of AudioLDM 2.
        arguments: arguments by name, of which each processor gets those that it has; None for none.

    Raises:
        InputError: they have no names.
    """
    if arguments is not None and not isinstance(arguments, Mapping):
        raise InputError(f"cross_attention_kwargs must be a mapping from names to values; got {arguments!r}")

    def add(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Add the arguments to those of a transformer, which passes them on."""
        return positional, {**named, "cross_attention_kwargs": dict(arguments or {})}

    layers = [each for each in unet.modules() if isinstance(each, Transformer2DModel)] if arguments else []
    hooks = [each.register_forward_pre_hook(add, with_kwargs=True) for each in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
