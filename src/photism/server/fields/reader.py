"""Recordings and images of requests, decoded within limits in threads and processes of their own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.errors import InputError, is_fault_of_input
from photism.server.fields.decoding_process import DecodingProcesses, TooLongError
from photism.server.fields.fair_threads import FairThreads
from photism.server.fields.field_set import URL_SCHEMES
from photism.server.fields.upload import MEGABYTE, Upload, Uploads, too_large
from photism.server.problems import Problem, without_folders

if TYPE_CHECKING:
    from PIL.Image import Image

Result = TypeVar("Result")

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats of Pillow that are decoded in this process and call no other program."""
MAX_IMAGE_PIXELS = 50_000_000
"""Most pixels of all images of a request together."""
MAX_TEXT_BYTES = 16 * MEGABYTE
"""Size of a text file, which is held in memory."""
MAX_DOWNLOAD_S = 60.0
"""Longest time in which a URL is downloaded."""
MAX_DOWNLOADS = 4
"""Most downloads at once."""


class RequestReader:
    """Limits of what requests may carry, and the threads and processes that decode it.

    Args:
        create: creates an empty private file.
        max_upload_mb: largest body of a request in megabytes.
        max_seconds: longest recording in seconds.
        max_long_seconds: longest recording of endpoints that take long ones.
        max_queue: number of files that may wait to be decoded, of recordings that may be long, of downloads, and of
            recordings of films that may wait to be measured.
        max_wait_s: longest time in seconds that each may wait.
        allow_urls: download recordings and images from URLs.
        workers: number of files, and of recordings that may be long, that are decoded at once.
    """

    def __init__(
        self,
        create: Callable[[], Path],
        *,
        max_upload_mb: float,
        max_seconds: float,
        max_long_seconds: float,
        max_queue: int,
        max_wait_s: float,
        allow_urls: bool = False,
        workers: int = 2,
    ) -> None:
        self._create, self.max_bytes = create, int(max_upload_mb * MEGABYTE)
        self.max_seconds, self.max_long_seconds = max_seconds, max_long_seconds
        self.allow_urls = allow_urls
        threads = partial(FairThreads, max_queue=max_queue, max_wait_s=max_wait_s)
        self._threads = threads("photism-decoding", workers)
        # Other requests do not wait for recordings of an hour.
        self._long_threads = threads("photism-long-decoding", workers)
        self._downloads = threads("photism-downloads", MAX_DOWNLOADS)
        self._measuring = threads("photism-measuring", 1)
        self._decoding, self._long_decoding = DecodingProcesses(workers), DecodingProcesses(workers)

    def close(self) -> None:
        """End the threads and processes; what waits for them or uses them ends as well."""
        for threads in (self._threads, self._long_threads, self._downloads, self._measuring):
            threads.close()
        for processes in (self._decoding, self._long_decoding):
            processes.close()

    async def run(self, work: Callable[[], Result], client: str) -> Result:
        """Return the result of a function that runs in a decoding thread when it is the client's turn.

        Raises:
            Busy: too many files wait, or this one has waited for too long.
            Problem: 503, the server is shutting down.
        """
        return await self._threads.run(work, client)

    async def measure(self, work: Callable[[], Result], client: str) -> Result:
        """Return the result of a function that takes minutes, in a thread apart from those that decode.

        Raises:
            Busy, Problem: as of `run`.
        """
        return await self._measuring.run(work, client)

    def uploads(self) -> Uploads:
        """Return the files of a new request, of which there are none yet."""
        return Uploads(self._create, self.max_bytes, MAX_IMAGE_PIXELS)

    async def save(self, name: str, text: Upload | str, uploads: Uploads, client: str) -> Upload:
        """Write the file that a text stands for, base64 or a URL, to the uploads; return a file of a form as it is.

        Raises:
            Problem: it is neither; or URLs are not allowed, or the URL cannot be downloaded.
        """
        if isinstance(text, Upload):
            return text
        if text.lower().startswith(URL_SCHEMES):
            if not self.allow_urls:
                raise _unreadable(
                    name, f"{name} is a URL, and this server does not download any", "Send the file itself."
                )
            # Slow servers must not keep other requests from being decoded.
            return await self._downloads.run(lambda: _download(name, text, uploads), client)
        return await self.run(lambda: _decode_base64(name, text, uploads), client)

    async def read_sound(
        self, name: str, upload: Upload, reading: ReadingSettings, client: str, *, is_long: bool = False
    ) -> SoundFile:
        """Return a recording that is decoded, or if it may be long, one that is known to be readable and within limits.

        Raises:
            Problem: it is not audio, or longer than allowed.
        """
        if not upload.path.stat().st_size:
            raise _unreadable(name, InputError(f"{name} is empty", code="empty"), "Send a recording.")
        if is_long:
            threads, processes, limit_s = self._long_threads, self._long_decoding, self.max_long_seconds
        else:
            threads, processes, limit_s = self._threads, self._decoding, self.max_seconds
        try:
            return await threads.run(
                lambda: processes.read(upload.path, name, reading, limit_s=limit_s, is_held=not is_long),
                client,
                on_leave=lambda: processes.stop(upload.path),
            )
        except TooLongError as error:
            status, allowed = HTTPStatus.UNPROCESSABLE_ENTITY, f"at most {limit_s:g} s"
            remedy = "Cut the recording."
            raise Problem(
                status, "too-long", str(error), field=name, allowed=allowed, remedy=remedy, values={"maximum": limit_s}
            ) from None
        except InputError as error:
            raise _unreadable(name, error) from None

    async def read_image(self, name: str, upload: Upload, uploads: Uploads, client: str) -> Image:
        """Return an image that can be decoded.

        Raises:
            Problem: it is not an image, or the images of the request have too many pixels.
        """
        return await self.run(lambda: _read_image(name, upload.path, uploads), client)

    async def read_text(self, name: str, upload: Upload, client: str) -> str:
        """Return the content of a text file in UTF-8.

        Raises:
            Problem: it is too large, or not in UTF-8.
        """
        return await self.run(lambda: _read_text(name, upload.path), client)


def _unreadable(name: str, error: InputError | str, remedy: str | None = None) -> Problem:
    code, values = (None, {}) if isinstance(error, str) else (error.code, error.values)
    status, detail = HTTPStatus.UNPROCESSABLE_ENTITY, without_folders(str(error))
    return Problem(status, "unreadable-file", detail, field=name, remedy=remedy, code=code, values=values)


def _decode_base64(name: str, text: str, uploads: Uploads) -> Upload:
    """Write what base64 stands for, also in a data URL."""
    _, _, coded = text.rpartition(";base64,") if text.startswith("data:") else ("", "", text)
    try:
        data = base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError):
        remedy = "Encode the file as base64, or send it as multipart/form-data."
        raise _unreadable(name, f"{name} is not valid base64", remedy) from None
    path, file = uploads.open()
    with file:
        file.write(data)
    return Upload(path, None)


def _download(name: str, url: str, uploads: Uploads) -> Upload:
    from photism.audio.download import PrivateAddressError, TooLargeError, download

    try:
        data = download(
            url,
            name,
            max_bytes=uploads.max_bytes,
            timeout_s=MAX_DOWNLOAD_S,
            max_download_s=MAX_DOWNLOAD_S,
            allow_private_urls=False,
            warnings=[],
        )
    except TooLargeError:
        raise too_large(uploads.max_bytes) from None
    except PrivateAddressError:
        raise _unreadable(name, f"{name} is a URL of an address that is not public", "Send the file itself.") from None
    except InputError as error:
        raise _unreadable(name, error) from None
    path, file = uploads.open()
    with file:
        file.write(data.getbuffer())
    return Upload(path, None)


def _read_text(name: str, path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        allowed = f"at most {MAX_TEXT_BYTES / MEGABYTE:g} MB"
        detail, status = f"{name} must have {allowed}", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        remedy, values = "Send a shorter text.", {"maximum": MAX_TEXT_BYTES / MEGABYTE}
        raise Problem(status, "too-large", detail, field=name, allowed=allowed, remedy=remedy, values=values)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(name, f"{name} is not a text in UTF-8", "Save the text in UTF-8.") from None


def _read_image(name: str, path: Path, uploads: Uploads) -> Image:
    """Return an image that was decoded once as a check; its pixels are decoded again when it is used."""
    from PIL import Image, UnidentifiedImageError

    data = path.read_bytes()
    Image.init()
    formats = [each for each in IMAGE_FORMATS if each in Image.OPEN]
    try:
        image = Image.open(BytesIO(data), formats=formats)
        if not uploads.add_pixels(image.width * image.height):
            raise Image.DecompressionBombError
        image.load()
    except Image.DecompressionBombError:
        allowed = f"at most {uploads.max_pixels / 1e6:g} megapixels together"
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "too-many-pixels",
            f"the images of a request must have {allowed}",
            field=name,
            allowed=allowed,
            remedy="Send a smaller image.",
        ) from None
    except UnidentifiedImageError:
        detail = f"{name} is empty" if not data else f"{name} is not an image"
        remedy = f"Send one of {', '.join(IMAGE_FORMATS)}."
        raise _unreadable(name, InputError(detail, code="not-an-image"), remedy) from None
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        raise _unreadable(name, f"{name} cannot be read ({error})", "Send an undamaged image.") from None
    return Image.open(BytesIO(data), formats=formats)
