"""Locks for threads: of loading, of models that are changed for the time of a call, and of tokenizers."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import AbstractContextManager, nullcontext
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

loading_lock = RLock()
"""Held while transformers loads a model. It switches the tying of weights off for the whole process meanwhile: of two
loads at once, one would end without weights that are tied to others, and the last would leave tying switched off."""

_locks: MutableMapping[Any, Any] = WeakKeyDictionary()
_locks_lock = Lock()


def lock_of(shared: Any) -> Any:
    """Return the lock of an object, a context manager that the same thread may enter again.

    Args:
        shared: a model, or a tokenizer: those of Rust set padding and truncation for a call, and raise "Already
            borrowed" if another thread is doing that.
    """
    with _locks_lock:
        return _locks.setdefault(shared, RLock())


def lock_of_models(diffusion: Any) -> AbstractContextManager[Any]:
    """Return a context in which no other thread uses models of a diffusers pipeline that any use changes in place.

    Offloaded models are moved to the GPU when they are called, and others back to the CPU. LoRA layers are shared, and
    diffusers multiplies their weights for the time of a call with a `scale`.

    Args:
        diffusion: a diffusers pipeline.
    """
    unet = getattr(diffusion, "unet", None)
    is_changed = hasattr(unet, "_hf_hook") or bool(getattr(unet, "peft_config", None))
    return lock_of(unet) if is_changed else nullcontext()
