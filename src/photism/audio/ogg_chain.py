"""Find the links of a chained Ogg file: complete Ogg streams one after the other, as radio servers write them.

FFmpeg keeps the decoder of the first link, so what follows in another codec, rate or number of channels is lost. Each
link is therefore decoded as a file of its own. Source: RFC 3533, sections 4 and 6.
"""

from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END, RawIOBase
from typing import BinaryIO

CAPTURE_PATTERN = b"OggS"
HEADER_BYTES = 27  # of a page, followed by a table of `page_segments` bytes
FIRST_PAGE = 0x02  # flag of the first page of a logical stream
SEARCH_BYTES = 2**16  # read at a time where a damaged page has no valid header after it


def links(file: BinaryIO) -> list[tuple[int, int]]:
    """Return where the links of an Ogg file begin and end, in bytes; the whole file for any other format.

    The first pages of all logical streams of a link come before its other pages, so a link begins where a first page
    follows one that is not. The last link of a truncated file ends where its last page should.
    """
    size = file.seek(0, SEEK_END)
    starts: list[int] = []
    was_first = False
    for position, end, is_first in _pages(file):
        if is_first and not was_first:
            starts.append(position)
        was_first = is_first
        size = max(size, end)
    starts[:1] = [0]  # what comes before the first page belongs to it
    return list(zip(starts, [*starts[1:], size], strict=True))


def _pages(file: BinaryIO) -> Iterator[tuple[int, int, bool]]:
    """Yield the position and the end of each Ogg page, and whether it is the first of a logical stream."""
    position = file.seek(0)
    if file.read(len(CAPTURE_PATTERN)) != CAPTURE_PATTERN:
        return
    while True:
        file.seek(position)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        if header.startswith(CAPTURE_PATTERN):
            end = position + HEADER_BYTES + header[26] + sum(file.read(header[26]))
            yield position, end, bool(header[5] & FIRST_PAGE)
            position = end
        else:
            found = _search(file, position + 1)
            if found is None:
                return
            position = found


def _search(file: BinaryIO, position: int) -> int | None:
    """Return the position of the next capture pattern."""
    file.seek(position)
    tail = b""
    while block := file.read(SEARCH_BYTES):
        found = (tail + block).find(CAPTURE_PATTERN)
        if found >= 0:
            return position - len(tail) + found
        position += len(block)
        tail = (tail + block)[-len(CAPTURE_PATTERN) + 1 :]
    return None


class FileSection(RawIOBase):
    """Part of a file, read as a file of its own; closing it leaves the file open.

    Args:
        file: file to read, which nothing else reads meanwhile.
        start: position of the first byte.
        end: position after the last byte.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self.seek(0)

    def read(self, count: int = -1) -> bytes:
        """Read at most `count` bytes, or all that are left."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if count < 0 else min(count, left))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position in the section."""
        if whence == SEEK_CUR:
            offset += self.tell()
        elif whence == SEEK_END:
            offset += self._end - self._start
        if offset < 0:
            raise ValueError("position before the beginning of the file")
        return self._file.seek(self._start + offset) - self._start

    def tell(self) -> int:
        """Return the position in the section."""
        return self._file.tell() - self._start

    def seekable(self) -> bool:
        """Return that the section can be sought."""
        return True

    def readable(self) -> bool:
        """Return that the section can be read."""
        return True
