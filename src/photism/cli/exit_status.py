"""Exit statuses of the command line, and which error leads to which."""

from __future__ import annotations

import sysconfig
from enum import IntEnum
from pathlib import Path

import typer

from photism.errors import InputError, is_disk_full, is_out_of_memory, os_error_message


class ExitStatus(IntEnum):
    """Exit statuses of `photism`. Those from 64 on are named as in BSD's sysexits.h."""

    DONE = 0
    NOT_WORKING = 1
    """Something does not work on this machine: `photism doctor` found it, or a library cannot be imported."""
    MISTAKE = 2
    """Something that the user gave cannot be used; unreadable recordings were skipped."""
    BUG = 70
    """EX_SOFTWARE: an error in Photism."""
    NO_RESOURCES = 71
    """EX_OSERR: memory or disk space ran out, or a worker process was killed."""
    INTERRUPTED = 130
    """128 + SIGINT, as shells report Ctrl-C."""


MEMORY_REMEDY = "use shorter recordings, a smaller --batch-size or fewer --processes, or free memory"
DISK_REMEDY = "free disk space, or write to another disk"


def diagnose(error: Exception) -> tuple[ExitStatus, str]:
    """Return the exit status that an error leads to, and the message for the user.

    Args:
        error: what a verb raised.
    """
    text = str(error)
    if isinstance(error, InputError):
        return ExitStatus.MISTAKE, text
    if is_out_of_memory(error):
        return ExitStatus.NO_RESOURCES, f"out of memory ({_first_line(error)}): {MEMORY_REMEDY}"
    if is_disk_full(error):
        message = os_error_message(error) if isinstance(error, OSError) else _first_line(error)
        return ExitStatus.NO_RESOURCES, f"{message}; {DISK_REMEDY}"
    if isinstance(error, OSError) and not _is_installed_file(error.filename):
        return ExitStatus.MISTAKE, os_error_message(error)
    if isinstance(error, ImportError):
        return ExitStatus.NOT_WORKING, f"{text}; `photism doctor` says what is missing and how to install it"
    return ExitStatus.BUG, f"this is a bug in Photism: {_first_line(error)}; run with --debug and report the traceback"


def interrupted(message: str) -> typer.Exit:
    """Print "Stopped" and how to resume, and return the exit with the status of Ctrl-C."""
    typer.echo(f"Stopped{message}", err=True)
    return typer.Exit(ExitStatus.INTERRUPTED)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _is_installed_file(path: object) -> bool:
    """Return whether a file belongs to Photism or a library, so that its absence is not the user's mistake."""
    if not isinstance(path, str | Path):
        return False
    installed = (Path(__file__).parents[1], Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib")))
    return any(Path(path).absolute().is_relative_to(folder) for folder in installed)
