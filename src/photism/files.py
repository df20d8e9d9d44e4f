"""Write files and folders atomically: the target is complete, or it is as it was before."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_IMODE
from typing import TextIO

from photism.errors import InputError, name_full_disk

PART = ".part"
"""Suffix of a file or folder that is being written."""
OLD = ".old"
"""Suffix of a folder that is being replaced."""
LEFT_BEHIND = re.compile(r"\.(?P<host>[0-9a-f]{8})-(?P<process>[0-9]+)" + re.escape(PART) + "$")
"""End of the name of a temporary file or folder that is of one process."""
MAX_NAME_BYTES = 100
"""Longest name to which a suffix is appended; file systems allow 143 to 255 bytes."""


def check_writable(path: Path, option: str, *, force: bool) -> None:
    """Raise an error unless a file can be written, as far as that can be said without writing it.

    Args:
        path: the file.
        option: command-line option that names the file, for the message.
        force: accept an existing file, which is overwritten.

    Raises:
        InputError: the folder is missing or not writable, or the path exists.
    """
    if not path.parent.is_dir():
        raise InputError(f"{option}: the folder {path.parent} does not exist; create it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{option}: the folder {path.parent} is not writable; choose another one")
    sweep(path.parent)
    if path.is_dir():
        raise InputError(f"{option}: {path} is a folder; give the name of a file")
    if path.exists() and not force:
        raise InputError(f"{path} exists; give another name with {option}, or --force to overwrite it")


def check_folder(folder: Path, name: str) -> None:
    """Raise an error unless files can be written to a folder, which may have to be created.

    Args:
        folder: the folder.
        name: what the message calls it.

    Raises:
        InputError: it, or the folder that it would be created in, is not writable or not a folder.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"{name}: {existing} is not a folder; choose another one")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{name}: the folder {existing} is not writable; choose another one")


def sibling(path: Path, suffix: str, *, prefix: str = "") -> Path:
    """Return a path in the same folder whose name has a suffix and a prefix.

    A long name is replaced by a digest of it, so that the file system does not refuse the new name as too long.
    """
    name = as_utf8(path.name).encode()
    kept = path.name if len(name) <= MAX_NAME_BYTES else hashlib.sha256(name).hexdigest()[:16]
    return path.with_name(f"{prefix}{kept}{suffix}")


def as_utf8(text: str) -> str:
    """Return a text that UTF-8 can encode, in which the bytes of a name that is not UTF-8 are escaped."""
    return text.encode("utf8", "backslashreplace").decode("utf8")


@contextmanager
def atomic_path(target: Path, *, sole_writer: bool = False) -> Generator[Path]:
    """Yield an empty file next to the target, and rename it to the target at the end of the block.

    If the block raises, the target stays as it was.

    Args:
        target: the file to write or replace.
        sole_writer: no other process writes the target at the same time. The temporary file then has a fixed name, and
            one that a killed process has left is overwritten.
    """
    sweep(target.parent)
    unfinished = sibling(target, PART if sole_writer else _own_part(), prefix=".")
    try:
        unfinished.unlink(missing_ok=True)
        with name_full_disk(target):
            unfinished.touch()
            mode = _mode(unfinished)
            yield unfinished
            unfinished.chmod(mode)
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def discard_folder(folder: Path) -> None:
    """Delete a folder at once: if the process is killed meanwhile, nothing of that name is left."""
    sweep(folder.parent)
    folder = folder.replace(sibling(folder, _own_part(), prefix="."))
    shutil.rmtree(folder)


def sweep(folder: Path) -> None:
    """Delete what killed processes of this machine were writing to a folder; once a folder, since it is listed."""
    folder = folder.absolute()
    if os.name != "posix" or folder in _swept:  # os.kill ends a process on Windows, whatever the signal
        return
    _swept.add(folder)
    for path in folder.glob(f".*{PART}"):
        found = LEFT_BEHIND.search(path.name)
        if found and found["host"] == _host() and not _is_running(int(found["process"])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):  # of another user, in a folder that all may write to
                    path.unlink()


@contextmanager
def atomic_text(target: Path) -> Generator[TextIO]:
    """Open a text file in UTF-8 that becomes the target at the end of the block, as with `atomic_path`.

    The bytes of a file name that is not UTF-8 are escaped as in JSON, which then reads the same name.
    """
    with (
        atomic_path(target) as unfinished,
        unfinished.open("w", encoding="utf8", errors="backslashreplace", newline="") as file,
    ):
        yield file


@contextmanager
def atomic_folder(target: Path) -> Generator[Path]:
    """Yield an empty folder next to the target, and replace the target by it at the end of the block.

    One process at a time may write a target. If it is killed, `target.part` stays until the next call deletes it. If it
    is killed between the two renames at the end, the next call restores the target from `target.old`.
    """
    part, old = sibling(target, PART), sibling(target, OLD)
    if old.exists() and not target.exists():
        old.replace(target)
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with name_full_disk(target):
            part.mkdir(parents=True)
            yield part
            _complete(part)
            if target.exists():
                target.replace(old)
            part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_files(folder: Path, *, name: str = "") -> Generator[Path]:
    """Yield an empty folder in a folder; at the end of the block its files replace those of the same names there.

    Each file is replaced atomically, but not all of them together.

    Args:
        folder: folder of the files. One process at a time may write to it without a name.
        name: name of what is written, if other processes may write to the folder at the same time.
    """
    sweep(folder)
    part = sibling(folder / name, _own_part(), prefix=".") if name else folder / PART
    shutil.rmtree(part, ignore_errors=True)
    try:
        with name_full_disk(folder / name):
            part.mkdir(parents=True)
            yield part
            _complete(part)
            for path in part.iterdir():
                path.replace(folder / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def apply_umask(paths: Iterable[Path]) -> None:
    """Give files the mode that the umask gives to new files in their folder.

    safetensors creates its files with mode 0600, so that nobody but their owner can read a saved model.
    """
    for path in paths:
        probe = sibling(path, f".mode{_own_part()}", prefix=".")
        try:
            probe.touch()
            path.chmod(_mode(probe))
        finally:
            probe.unlink(missing_ok=True)


def _complete(part: Path) -> None:
    """Make the files of a folder readable as the umask says, and write them to the disk."""
    files = [path for path in part.rglob("*") if path.is_file()]
    apply_umask(files)
    for path in files:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


_swept: set[Path] = set()


def _own_part() -> str:
    """Return the end of the name of a temporary file or folder of this process, which `LEFT_BEHIND` matches."""
    return f".{_host()}-{os.getpid()}{PART}"


@cache
def _host() -> str:
    """Return a short name of this machine: its processes have nothing to do with those of others on a shared disk.

    Containers may have the name of their host, or of each other, but have processes of their own.
    """
    name = platform.node()
    with suppress(OSError):  # only Linux has it
        name += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # of another user; or not a number that a process can have
        return True
    return True


def _mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)
