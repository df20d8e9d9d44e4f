"""Calls of one diffusers pipeline by several threads at once, which give the images of one call after the other.

A call of diffusers keeps its state in the pipeline and in its scheduler, which counts steps and holds earlier
predictions. Each call therefore gets copies of these; the models are shared. Only a model that a call would change in
place is locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy, deepcopy
from typing import Any

import torch

from photism.locks import lock_of


def copy_for_call(diffusion: Any) -> Any:
    """Return a shallow copy of a diffusers pipeline with a scheduler of its own, and without a progress bar."""
    call = copy(diffusion)
    vars(call)["scheduler"] = deepcopy(diffusion.scheduler)  # setting the attribute would record its class again
    call.set_progress_bar_config(disable=True)
    return call


def exclusive_models(diffusion: Any, arguments: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Return a context in which no other thread changes the models that a call changes in place.

    Args:
        diffusion: a diffusers pipeline.
        arguments: further arguments of its call.
    """
    is_offloaded = hasattr(diffusion.unet, "_hf_hook")  # moved to the GPU and back, as all models then
    # A VAE that overflows is converted to float32 and back; its own dtype may be that of another call.
    is_half = diffusion.unet.dtype == torch.float16
    scales_lora = "scale" in (arguments.get("cross_attention_kwargs") or {})
    return lock_of(diffusion.unet) if is_offloaded or is_half or scales_lora else nullcontext()
