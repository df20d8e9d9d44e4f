"""Open a recording from a path, URL, bytes or file object."""

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from photism.errors import InputError, is_fault_of_input

READ_BYTES = 2**20  # read at a time, so that the size limit stops a download within a megabyte


def open_source(source: object, name: str, *, max_download_bytes: int, timeout_s: float) -> BinaryIO:
    """Open a path, URL, bytes or binary file object for reading and seeking.

    Args:
        source: as in ``load_waveform``.
        name: name of the source in error messages.
        max_download_bytes: most bytes that are read from a URL, pipe or file object.
        timeout_s: longest time in seconds without an answer from a server.

    Raises:
        InputError: the source is none of these, missing, a folder, unreachable or larger than allowed.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source)
    if isinstance(source, str) and "://" in source and not source.lower().startswith("file://"):
        return _download(source, name, max_download_bytes, timeout_s)
    if isinstance(source, str | Path):
        file = _open_path(source, name)
        if file.seekable():
            return file
        with file:
            return _read(file, name, max_download_bytes)
    if hasattr(source, "read"):
        return _read(source, name, max_download_bytes)
    raise InputError(
        f"{name} must be a path, URL, bytes, binary file object, array, tensor, list of floats, mapping or Waveform"
    )


def _open_path(source: str | Path, name: str) -> BinaryIO:
    path = str(source)
    if path.lower().startswith("file://"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        path = url2pathname(urlsplit(path).path)
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; give the files in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be opened ({error}); give the path of a readable file") from None


def _download(url: str, name: str, max_download_bytes: int, timeout_s: float) -> BytesIO:
    from http.client import HTTPException
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{name}: not an http, https or file URL; download it first")
    try:
        # Spaces and letters outside ASCII are sent as %XX; quoted parts stay as they are.
        request = Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers={"User-Agent": "photism"})
        response = urlopen(request, timeout=timeout_s)
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"{name}: cannot be downloaded ({error}); check the address and the network") from None
    with response:
        return _read(response, name, max_download_bytes)


def _read(stream: Any, name: str, max_bytes: int) -> BytesIO:
    """Read the rest of a stream into memory, since decoding needs to seek and a response or a pipe cannot."""
    held = BytesIO()
    while data := _read_block(stream, name):
        held.write(data)
        if held.tell() > max_bytes:
            raise InputError(
                f"{name}: larger than max_download_bytes={max_bytes}; raise the limit if you trust the source"
            )
    return held


def _read_block(stream: Any, name: str) -> bytes:
    try:
        data = stream.read(READ_BYTES)
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        raise InputError(f"{name}: reading was interrupted ({error}); try again") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(
            f"{name}: read() returned {type(data).__name__}, not bytes; open the file in binary mode, 'rb'"
        )
    return bytes(data)
