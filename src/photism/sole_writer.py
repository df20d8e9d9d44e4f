"""Lock of an output: one process at a time writes it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from photism.errors import InputError
from photism.files import sibling


@contextmanager
def sole_writer(output: Path, *, keep_file: bool = True) -> Generator[None]:
    """Hold the lock of an output until the end of the block; a process that is killed releases it.

    Args:
        output: file or folder, which need not exist.
        keep_file: keep the empty file of the lock, which spares the next process a race for it.

    Raises:
        InputError: another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(sibling(output, ".lock", prefix="."), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{output}: another process is writing it; wait until it is done, or stop it") from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        if not keep_file:
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
