"""Read recordings from object storage and other file systems that fsspec knows, such as s3://, gs:// and hf://."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from photism.errors import InputError, is_fault_of_input
from photism.extras import missing
from photism.output_files import CHAIN, SECRETS, without_credentials

URL = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
NOT_OBJECTS = ("http", "https", "file")  # schemes of URLs that are read without fsspec
CHECKSUMS = ("ETag", "etag", "md5Hash", "md5", "content_md5", "CRC", "blob_id", "oid", "sha")
TIMES = ("mtime", "LastModified", "last_modified", "updated", "modify", "created")
"""Keys of a file's checksum or time; each file system of fsspec has some of them."""


def is_url(place: str) -> bool:
    """Return whether a text is a URL rather than a path."""
    return URL.match(place) is not None


def is_object(place: str) -> bool:
    """Return whether a text is a URL that fsspec opens."""
    return is_url(place) and (CHAIN.search(place) is not None or place.partition("://")[0].lower() not in NOT_OBJECTS)


def file_system(url: str, *, allow_private_urls: bool = False) -> tuple[Any, str]:
    """Return the file system of fsspec for a URL, and the path in it.

    Args:
        url: URL, or several in a chain as fsspec writes it, such as ``zip://a.wav::s3://bucket/a.zip``.
        allow_private_urls: accept a chain with an http(s) URL, whose address is not checked.

    Raises:
        InputError: fsspec, or the package that it needs for the URL, is not installed, or the URL is malformed.
    """
    name = without_credentials(url)
    if not allow_private_urls and re.search(r"\bhttps?(::|://)", url, re.IGNORECASE):
        raise InputError(
            f"{name}: the address of an http URL in a chain is not checked; allow it by --allow-private-urls or "
            "allow_private_urls=True if you trust the URL"
        )
    try:
        import fsspec
    except ImportError:
        raise missing("fsspec", f"{name}: object storage", "collection") from None
    with object_errors(url, "cannot be opened"):
        try:
            system, path = fsspec.core.url_to_fs(url)
        except ImportError as error:  # whose words name the package, such as "Install s3fs to access S3"
            raise InputError(f"{name}: cannot be opened ({error})") from None
    return system, cast("str", path)


def open_object(url: str, name: str, *, allow_private_urls: bool = False) -> BinaryIO:
    """Open a file of object storage, of which only the blocks that are needed are read.

    Args:
        url: URL of the file.
        name: name of the file in error messages.
        allow_private_urls: as in `file_system`.

    Raises:
        InputError: as in `file_system`, or the file is missing or cannot be opened.
    """
    system, path = file_system(url, allow_private_urls=allow_private_urls)
    with object_errors(url, "cannot be opened", name):
        return cast("BinaryIO", system.open(path, "rb"))


def object_status(url: str, *, allow_private_urls: bool = False) -> Mapping[str, Any]:
    """Return what a file system of fsspec says of a file or folder: its ``type``, ``size`` and more.

    Raises:
        InputError: as in `file_system`, or there is no such file.
    """
    system, path = file_system(url, allow_private_urls=allow_private_urls)
    with object_errors(url, "cannot be read"):
        return cast("Mapping[str, Any]", system.info(path))


def object_version(status: Mapping[str, Any]) -> str:
    """Return the version of a file in object storage: its size with a checksum, or else a time."""
    said = next((status[key] for key in (*CHECKSUMS, *TIMES) if status.get(key) is not None), "")
    if isinstance(said, datetime):  # where a file is looked up, and seconds where a folder is listed
        said = said.timestamp()
    return f"{status.get('size')}-{said}"


@contextmanager
def object_errors(url: str, problem: str, name: str = "") -> Generator[None]:
    """Turn what a file system of fsspec raises into an InputError without the credentials of the URL.

    Args:
        url: URL of the file.
        problem: what happened, such as "cannot be opened"; the reason follows.
        name: name of the file in the message; by default the URL.
    """
    name = name or without_credentials(url)
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except Exception as error:  # each file system has errors of its own
        if not is_fault_of_input(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        for secret in _secrets(url):
            reason = reason.replace(secret, "***")
        raise InputError(f"{name}: {problem} ({reason})") from None


def _secrets(url: str) -> list[str]:
    """Return what a URL contains that must not be printed, the longest first."""
    users = re.findall(r"://([^/?#@]*)@", url)
    found = [part for user in users for part in (user, user.partition(":")[2])]
    found += [match[0].partition("=")[2] for match in SECRETS.finditer(f"{url}#")]
    return sorted({text for each in found for text in (each, unquote(each)) if text}, key=len, reverse=True)
