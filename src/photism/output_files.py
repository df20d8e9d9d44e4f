"""Output files of a computation over several inputs, which are checked before any work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from photism.errors import InputError
from photism.files import check_folder, check_writable

SECRETS = re.compile(
    r"([?&](?:sig|[^=&#]*(?:token|key|secret|signature|password|passwd|auth|credential)[^=&#]*)=)[^&#]*", re.IGNORECASE
)
"""Parameters of a URL's query that grant access, such as `sig=` and `X-Amz-Signature=`."""
SIGNATURES = re.compile(
    r"([?&](?:sig|signature|expires|policy|key-pair-id|auth|authorization|awsaccesskeyid|googleaccessid"
    r"|x-(?:amz|goog)-[^=&#]*|api[-_]?key|access[-_]?key[^=&#]*|[^=&#]*(?:token|secret|password|passwd|credential)[^=&#]*"
    r")=)[^&#]*",
    re.IGNORECASE,
)
"""Parameters that only sign a URL. Others that may be secrets, such as `key=`, may also say which file it is."""
CHAIN = re.compile(r"::(?=[a-z][a-z0-9+.-]*(?:::|://))", re.IGNORECASE)
"""What parts the URLs of a chain; an IPv6 address has the same colons."""

STANDARD_INPUT = "-"
"""Name of standard input among recordings."""


class FileCheck(Protocol):
    """A check that a file can be written, such as `check_writable`."""

    def __call__(self, path: Path, option: str, *, force: bool) -> None:
        """Raise InputError if the file that an option names cannot be written."""
        ...


def is_folder(output: str) -> bool:
    """Return whether an output is a folder: an existing one, or a name that ends in a slash."""
    return output.endswith("/") or Path(output).is_dir()


def sound_stem(sound: str) -> str:
    """Return the name of a recording's file or URL without its extension; "stdin" for standard input."""
    if sound == STANDARD_INPUT:
        return "stdin"
    return Path(_file_path(sound)).stem or "sound"


def without_credentials(url: str) -> str:
    """Return a URL without user, password and the secrets in its query, for messages and files; a path as it is.

    URLs of fsspec may be a chain, such as ``zip://a.wav::s3://bucket/a.zip``.
    """
    return "::".join(_masked(part, SECRETS) for part in CHAIN.split(url))


def without_signature(url: str) -> str:
    """Return a URL without user, password and what only signs it, which is the same each time that it is signed.

    It says which file it is, but may contain a secret: it must be neither printed nor written.
    """
    return "::".join(_masked(part, SIGNATURES) for part in CHAIN.split(url))


def _masked(url: str, parameters: re.Pattern[str]) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority = re.split("[/?#]", rest)[0]
    # A password with one of these characters is not quoted, as it should be: the port is then no number.
    is_cut = "@" not in authority and re.search(r":\D", re.sub(r"^\[.*\]", "", authority))
    rest = (rest if is_cut else authority).rpartition("@")[2] + ("" if is_cut else rest[len(authority) :])
    return f"{scheme}://" + parameters.sub(r"\1***", rest)


def printable(name: str) -> str:
    """Return a file name for a line of text, in which control characters are escaped as in JSON.

    A line break would look like another line of the output, and a terminal executes escape sequences.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: json.dumps(found[0])[1:-1], name)


def check_suffix(path: Path, option: str, suffixes: Sequence[str], *, force: bool, or_folder: bool = False) -> None:
    """Check that a file with one of several suffixes can be written.

    Args:
        path: the file.
        option: command-line option that names the file, for the message.
        suffixes: the suffixes.
        force: accept an existing file, which is overwritten.
        or_folder: the option takes a folder as well.

    Raises:
        InputError: it has another suffix, its folder is missing or not writable, or it exists.
    """
    if path.suffix.lower() not in suffixes:
        folder = ", or a folder, which is created if its name ends in a slash" if or_folder else ""
        names = " or ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
        raise InputError(f"{option} must be a file that ends in {names}{folder}; got {path}")
    check_writable(path, option, force=force)


def check_png(path: Path, option: str, *, force: bool) -> None:
    """Check that an image can be written to a file, which an option names that takes a folder as well.

    Raises:
        InputError: the name does not end in .png, its folder is missing or not writable, or the file exists.
    """
    check_suffix(path, option, (".png",), force=force, or_folder=True)


def folder_needed(flag: str, count: int | str | None, output: str | None) -> InputError:
    """Return the error for an output of several inputs that is no folder."""
    return InputError(
        f"{flag} must be a folder for {count} inputs, but {output} is not a folder; create it, or end its name in a "
        "slash"
    )


def create_folder(folder: Path, flag: str) -> None:
    """Create the folder that a flag names, unless it exists.

    Raises:
        InputError: it, or the folder that it would be created in, is not writable or not a folder.
    """
    check_folder(folder, flag)
    folder.mkdir(parents=True, exist_ok=True)


def number_files(path: Path, count: int) -> list[Path]:
    """Return the file itself for a single output, or numbered files next to it for several."""
    numbers = [""] if count == 1 else [f"-{number}" for number in range(1, count + 1)]
    return [path.with_name(f"{path.stem}{number}{path.suffix}") for number in numbers]


def plan_files(
    inputs: Sequence[str],
    output: str | None,
    suffix: str,
    *,
    flag: str,
    force: bool,
    count: int = 1,
    stem: Callable[[str], str] = sound_stem,
    check: FileCheck = check_writable,
) -> list[list[Path]]:
    """Return the output files of each input: in a folder, named after the input, or else the file itself.

    A folder whose name ends in a slash is created if it does not exist.

    Args:
        inputs: files, URLs or texts.
        output: folder, or file for a single input; None for the current folder.
        suffix: suffix of the files in a folder.
        flag: flag that names the output.
        force: allow existing files to be overwritten.
        count: number of files of each input; several are numbered.
        stem: returns the name of an input's files.
        check: checks that a file can be written.

    Raises:
        InputError: a file cannot be written, exists, or would be written for two inputs.
    """
    to_folder = output is None or is_folder(output)
    folder = Path(output or ".")
    if not to_folder and len(inputs) > 1:
        raise folder_needed(flag, len(inputs), output)
    if not to_folder and count > 1:
        check(folder, flag, force=True)  # by the name that was given, before it is numbered
    seen: dict[Path, str] = {}
    planned: list[list[Path]] = []
    for each in inputs:
        path = folder / f"{stem(each)}{suffix}" if to_folder else folder
        planned.append(number_files(path, count))
        for file in planned[-1]:
            if file in seen:
                raise InputError(f"{seen[file]} and {each} would both be written to {file}; process them one by one")
            seen[file] = each
    if to_folder:
        create_folder(folder, flag)
    for file in seen:
        check(file, flag, force=force)
    return planned


def _file_path(sound: str) -> str:
    """Return the path of a file or URL. A malformed URL, at which `urlsplit` raises an error, also has one."""
    if "://" not in sound:
        return sound
    host_and_path = re.split("[?#]", sound.partition("://")[2])[0]
    return unquote(host_and_path.partition("/")[2]).replace("\0", "")
