"""Let a VAE compute in its own dtype: next to a UNet of another one, and in float32 where float16 overflows."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from torch import Tensor


def keep_vae_dtype(diffusion: Any) -> None:
    """Let the VAE of a diffusers pipeline take and return tensors of the UNet's dtype, and keep its own.

    diffusers passes a VAE tensors of the UNet's dtype, whichever its own is. It decodes in float32 what the VAE's
    configuration asks this for, with SD XL only. Here that holds for all pipelines, and for all that overflows.

    Args:
        diffusion: a shallow copy of the pipeline; its VAE is replaced by one that shares the weights.
    """
    vae = copy(diffusion.vae)
    encode, decode = vae.encode, vae.decode

    def encode_in_own_dtype(image: Tensor, *args: Any, **kwargs: Any) -> Any:
        output = _compute(vae, encode, image, *args, **kwargs)
        if hasattr(output, "latents"):  # of a VAE without a distribution
            output.latents = output.latents.to(image.dtype)
        elif output.latent_dist.parameters.dtype != image.dtype:
            output.latent_dist = type(output.latent_dist)(output.latent_dist.parameters.to(image.dtype))
        return output

    def decode_in_own_dtype(latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _compute(vae, decode, latents, *args, **kwargs)

    def to(*args: Any, **kwargs: Any) -> Any:
        """Convert the weights as the pipelines of SD XL do, but not for good, and without diffusers' warning."""
        return torch.nn.Module.to(vae, *args, **kwargs) if has_unet_dtype else vae

    has_unet_dtype = vae.dtype == diffusion.unet.dtype
    vae.encode, vae.decode, vae.to = encode_in_own_dtype, decode_in_own_dtype, to
    diffusion.vae = vae


def _compute(vae: Any, function: Callable[..., Any], tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Encode or decode a tensor in the dtype of a VAE, or in float32 if its configuration asks for it or it overflows.

    The configuration counts where it was written: diffusers takes a missing `force_upcast` for true.
    """
    is_half, config = vae.dtype == torch.float16, vae.config
    is_forced = config.get("force_upcast") and "force_upcast" not in config.get("_use_default_values", ())
    if not (is_half and is_forced):
        output = function(tensor.to(vae.dtype), *args, **kwargs)
        values = getattr(output[0], "parameters", output[0])
        if not is_half or values.isfinite().all():
            return output
    with _in_float32(vae):
        return function(tensor.float(), *args, **kwargs)


@contextmanager
def _in_float32(vae: Any) -> Generator[None]:
    """Convert the weights of a VAE from float16 to float32 and back, which is exact."""
    torch.nn.Module.to(vae, torch.float32)  # diffusers' own `to` warns of it
    try:
        yield
    finally:
        torch.nn.Module.to(vae, torch.float16)
