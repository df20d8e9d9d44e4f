"""Locks of objects that several threads share: models that are changed for the time of a call, and tokenizers."""

from __future__ import annotations

from collections.abc import MutableMapping
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

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
