"""The exception for a user's mistake, and what is never reported as one: bugs and a machine out of memory."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from photism.hub_errors import describe_hub_error

PACKAGE = str(Path(__file__).parent)

PROGRAMMING_ERRORS = (AttributeError, NameError, TypeError)
"""Errors that come from our own lines only where these are wrong."""

OUT_OF_MEMORY_WORDS = (
    "can't allocate memory",  # torch on a CPU, a RuntimeError
    "not enough memory",  # torch on Windows
    "out of memory",  # CUDA, MPS and cuDNN
    "is killed by signal: Killed",  # a worker of torch's DataLoader
)


class InputError(ValueError):
    """Something that the caller gave cannot be used.

    The message names the parameter, what is allowed, what was given and what to do. The command line prints it as one
    line and exits with status 2.

    Args:
        message: the message.
        code: name of the cause, such as "no-audio", for programs that say it in their own words; None if it has none.
        values: numbers and words of the message that belong to the cause, such as {"maximum": 60}.
    """

    def __init__(
        self, message: str, *, code: str | None = None, values: Mapping[str, float | str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.values = code, dict(values or {})

    def about(self, name: str) -> InputError:
        """Return an error of the same cause whose message begins with the name of what cannot be used."""
        return InputError(f"{name}: {self}", code=self.code, values=self.values)


class NotFiniteError(InputError):
    """An output of a model contains NaN or infinity."""


class RecordingWarning(UserWarning):
    """Something about a recording that its user should know, such as that there is nothing to hear.

    The message begins with the name of the recording. The command line prints it as one line.
    """


class ImageWarning(UserWarning):
    """Something about a given image that its user should know, such as that only its first frame is used.

    The command line prints it as one line.
    """


class ModelWarning(UserWarning):
    """Something about a model that its user should know, such as that a part of it is not used.

    The command line prints it as one line.
    """


def warning_field(warnings: Sequence[str]) -> dict[str, list[str]]:
    """Return the JSON field of the warnings about a recording; none if there are no warnings."""
    return {"warnings": list(warnings)} if warnings else {}


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the machine or the GPU has too little memory.

    torch raises OutOfMemoryError for CUDA only, and a RuntimeError that says so in words elsewhere. A worker process
    that the kernel's out-of-memory killer ended shows as a broken process pool.
    """
    # By its name: importing the class takes a fifth of the time in which `photism --help` is done.
    if isinstance(error, MemoryError) or type(error).__name__ == "BrokenProcessPool":
        return True
    if isinstance(error, OSError):  # such as a process that cannot be started
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that a disk is full, a quota is used up or a file grew larger than allowed."""
    return _full_disk_code(error) is not None


@contextmanager
def name_full_disk(target: Path) -> Generator[None]:
    """Let the error of a full disk name what is written, whichever library raises it.

    Raises:
        OSError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        code = _full_disk_code(error)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(target)) from error


def _full_disk_code(error: BaseException) -> int | None:
    """Return the number of the system's error if it means that a disk is full, otherwise None.

    safetensors has an error of its own, and Lance an OSError without a number; both have the words of Rust's standard
    library.
    """
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in codes else None
    return next((code for code in codes if f"(os error {code})" in str(error)), None)


def os_error_message(error: OSError) -> str:
    """Return the file and the reason, such as "x.txt: no such file or directory", without the number of the error."""
    if not error.strerror:
        return str(error)
    reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
    return reason if error.filename is None else f"{error.filename}: {reason}"


@contextmanager
def as_input_error(problem: str) -> Generator[None]:
    """Turn what a library raises at files that it cannot load into an InputError.

    `from_pretrained` of transformers and diffusers has no error of its own: OSError, SafetensorError, KeyError,
    RuntimeError and others come out of it, and strict configurations have errors that are none of these.

    Args:
        problem: a sentence such as "model talk cannot be loaded"; the reason follows, of the hub or in the library's
            own words.

    Raises:
        InputError: the library raised something. An InputError, a lack of memory, and a programming error in Photism's
            own lines are not changed.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        reason = describe_hub_error(error) or " ".join(str(error).split())  # in one line
        raise InputError(f"{problem}: {reason}") from error


def is_fault_of_input(error: Exception) -> bool:
    """Return whether an error that a library raised at an input can be blamed on it.

    A lack of memory cannot, nor a programming error in a line of this package.
    """
    return not (is_out_of_memory(error) or _is_bug(error))


def _is_bug(error: Exception) -> bool:
    """Return whether a programming error was raised by a line of this package, not within a library."""
    if not isinstance(error, PROGRAMMING_ERRORS):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(PACKAGE)
