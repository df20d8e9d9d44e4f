"""Calls of one diffusers pipeline by several threads at once, which give the images of one call after the other.

A call of diffusers keeps its state in the pipeline and in its scheduler, which counts steps and holds earlier
predictions. Each call therefore gets copies of these; the models are shared. Only a model that a call would change in
place is locked.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from typing import Any

import torch

from photism.locks import lock_of, lock_of_models


def copy_for_call(diffusion: Any) -> Any:
    """Return a shallow copy of a diffusers pipeline with a scheduler of its own, and without a progress bar."""
    call = copy(diffusion)
    vars(call)["scheduler"] = deepcopy(diffusion.scheduler)  # setting the attribute would record its class again
    call.set_progress_bar_config(disable=True)
    return call


@contextmanager
def exclusive_models(diffusion: Any) -> Generator[None]:
    """Within this block, let no other thread change or use the models that a call changes in place.

    A float16 VAE that overflows is converted to float32 and back. While another call does that, its dtype is not its
    own, so that it is read under the lock.

    Args:
        diffusion: a diffusers pipeline with its own VAE.
    """
    with ExitStack() as held:
        held.enter_context(lock_of_models(diffusion))
        with lock_of(diffusion.vae):
            if diffusion.vae.dtype == torch.float16:
                held.enter_context(lock_of(diffusion.vae))
        yield
