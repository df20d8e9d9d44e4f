"""How long a file should be by its own headers, so that a truncated one can be reported.

FFmpeg reports the rest of a truncated file as if it were the whole, for most formats.
"""

import struct
from collections.abc import Iterator
from io import SEEK_END
from typing import BinaryIO, NamedTuple

from photism.audio.ogg_chain import CAPTURE_PATTERN, FileSection

UNKNOWN_32 = 0x7FFFF000  # a size of 32 bits from here on is a placeholder of a program that writes to a pipe
MOST_CHUNKS = 1000  # that are looked at
SEARCH_BYTES = 4096  # the first frame of an MP3 file is shorter
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
EBML_ID, SEGMENT_ID = 0x1A45DFA3, 0x18538067
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")


class DeclaredLength(NamedTuple):
    """What the headers of a file say of its length."""

    missing_bytes: int  # by which the file is shorter than they say; 0 if they do not say
    has_duration: bool  # whether the duration that FFmpeg reports of a FLAC or MP3 file is not an estimate


def read_declared_length(file: BinaryIO | FileSection, size: int) -> DeclaredLength:
    """Read what the headers of a file say of its length.

    Args:
        file: file of any format; an Ogg file as a section that ends where its last page should.
        size: its size in bytes, as it is.
    """
    end = file.seek(0, SEEK_END) if _read(file, 0, 4) == CAPTURE_PATTERN else _declared_end(file, size)
    start = _tag_bytes(file)
    mp3_end = _mp3_end(file, start)
    # FFmpeg takes an MP3 file that is longer by a sixteenth for two that were joined.
    has_duration = _has_sample_count(file, start) or 0 < size <= mp3_end * 17 / 16
    return DeclaredLength(max(0, end - size, mp3_end - size), has_duration)


def _declared_end(file: BinaryIO | FileSection, size: int) -> int:
    """Return the position of the end of a file by its headers, or 0."""
    head = _read(file, 0, 28)
    if len(head) < 28:
        return 0
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return max((end for name, end in _chunks(file, 12, size, "<4sI") if name == b"data"), default=0)
    if head[:4] in (b"RIFF", b"FORM"):  # AVI, AIFF
        length = struct.unpack("<I" if head[:4] == b"RIFF" else ">I", head[4:8])[0]
        return 0 if length >= UNKNOWN_32 else 8 + length
    if head[:4] == b"RF64":
        return 8 + int.from_bytes(head[20:28], "little")
    if head[:4] == b"riff":  # Sony Wave64
        return int.from_bytes(head[16:24], "little")
    if head[:4] == b".snd":
        start, length = struct.unpack(">II", head[4:12])
        return 0 if length >= UNKNOWN_32 else start + length
    if head[:4] == b"caff":
        return max((end for name, end in _chunks(file, 8, size, ">4sq") if name == b"data"), default=0)
    if head[:16] == ASF_HEADER:
        return _asf_end(file)
    if int.from_bytes(head[:4], "big") == EBML_ID:
        return _matroska_end(file)
    if head[4:8] in MP4_BOXES:
        return _mp4_end(file, size)
    return 0


def _chunks(file: BinaryIO | FileSection, position: int, size: int, header: str) -> Iterator[tuple[bytes, int]]:
    """Yield the name and the end of the chunks of a file; 0 is the end of one of unknown length."""
    header_bytes = struct.calcsize(header)
    for _ in range(MOST_CHUNKS):
        if position + header_bytes > size:
            return
        name, length = struct.unpack(header, _read(file, position, header_bytes))
        is_known = length > 0 and (header_bytes > 8 or length < UNKNOWN_32)
        yield name, position + header_bytes + length if is_known else 0
        if length < 0:
            return
        position += header_bytes + length + (length % 2 if header_bytes == 8 else 0)  # RIFF pads to even sizes


def _asf_end(file: BinaryIO | FileSection) -> int:
    position = 30  # after the header object's GUID, size and number of objects
    for _ in range(MOST_CHUNKS):
        content = _read(file, position, 92)
        if len(content) < 92:
            return 0
        if content[:16] == ASF_FILE_PROPERTIES:
            is_broadcast = content[88] & 1
            return 0 if is_broadcast else int.from_bytes(content[40:48], "little")
        position += int.from_bytes(content[16:24], "little")
    return 0


def _matroska_end(file: BinaryIO | FileSection) -> int:
    length, position = _ebml_length(file, 4)
    if length is None or int.from_bytes(_read(file, position + length, 4), "big") != SEGMENT_ID:
        return 0
    segment_length, position = _ebml_length(file, position + length + 4)
    return 0 if segment_length is None else position + segment_length


def _ebml_length(file: BinaryIO | FileSection, position: int) -> tuple[int | None, int]:
    """Return a length in EBML's code, None if all its bits are set for an unknown one, and the position after it."""
    first = int.from_bytes(_read(file, position, 1), "big")
    if first == 0:
        return None, position
    count = 9 - first.bit_length()
    mask = (1 << (7 * count)) - 1
    value = int.from_bytes(_read(file, position, count), "big") & mask
    return None if value == mask else value, position + count


def _mp4_end(file: BinaryIO | FileSection, size: int) -> int:
    position = 0
    for _ in range(MOST_CHUNKS):
        if position + 8 > size:
            return position
        header = _read(file, position, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0 reaches to the end of the file
            return 0
        position += length
    return 0


def _mp3_end(file: BinaryIO | FileSection, start: int) -> int:
    """Return where the frames of an MP3 file end by the header in its first frame, which begins at `start`."""
    first = _read(file, start, SEARCH_BYTES)
    for name in (b"Xing", b"Info"):
        position = first.find(name)
        if position >= 0 and len(first) >= position + 16 and first[position + 7] & 3 == 3:  # has frames and bytes
            return start + int.from_bytes(first[position + 12 : position + 16], "big")
    return 0


def _has_sample_count(file: BinaryIO | FileSection, start: int) -> bool:
    """Return whether a FLAC file that begins at `start` has the number of its samples."""
    head = _read(file, start, 26)
    return head[:4] == b"fLaC" and int.from_bytes(head[21:26], "big") & (2**36 - 1) > 0  # the last 36 bits


def _tag_bytes(file: BinaryIO | FileSection) -> int:
    """Return the length of an ID3 tag at the beginning of a file."""
    head = _read(file, 0, 10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _read(file: BinaryIO | FileSection, position: int, count: int) -> bytes:
    """Read bytes at a position; none at one that a damaged header gives and that no file has."""
    try:
        file.seek(position)
    except (OSError, ValueError, OverflowError):
        return b""
    return file.read(count)
