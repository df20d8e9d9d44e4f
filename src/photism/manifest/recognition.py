"""Which files are recordings: by their suffix, or for any other file by its first bytes."""

from __future__ import annotations

import re
from pathlib import PurePath

SOUND_SUFFIXES = frozenset((
    "3g2", "3gp", "aac", "ac3", "adts", "aif", "aifc", "aiff", "amr", "ape", "asf", "au", "avi", "awb", "caf", "dff",
    "dsf", "eac3", "flac", "flv", "gsm", "m2ts", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpc",
    "mpeg", "mpg", "mts", "oga", "ogg", "ogv", "opus", "rf64", "snd", "sph", "spx", "tak", "tta", "ts", "voc", "w64",
    "wav", "wave", "weba", "webm", "wma", "wmv", "wv",
))  # fmt: skip
"""Suffixes of audio and video files."""
AMBIGUOUS_SUFFIXES = frozenset({"mts", "snd", "ts"})  # also TypeScript and others: their first bytes decide
UNFINISHED_SUFFIXES = frozenset({"crdownload", "download", "part", "partial", "tmp"})
OTHER_SUFFIXES = frozenset((
    "arrow", "ass", "bin", "bmp", "c", "cfg", "cls", "csv", "ctm", "db", "doc", "docx", "eps", "gif", "gz", "h", "h5",
    "heic", "htm", "html", "ico", "ini", "ipynb", "jpeg", "jpg", "js", "json", "jsonl", "lab", "lance", "lock", "log",
    "lrc", "md", "npy", "npz", "onnx", "parquet", "pdf", "pickle", "pkl", "png", "psd", "pt", "pth", "py", "pyc",
    "rttm", "rst", "safetensors", "scp", "sh", "sqlite", "srt", "stm", "svg", "tar", "tex", "textgrid", "tgz", "tif",
    "tiff", "toml", "tsv", "txt", "vtt", "webp", "xls", "xlsx", "xml", "xz", "yaml", "yml", "zip", "zst",
))  # fmt: skip
"""Suffixes of files that are never opened to find out whether they are recordings."""

DATA_SET_SUFFIXES = (".lance", ".zarr")
"""Suffixes of folders whose files belong to one data set."""

HEADER_BYTES = 1024
TRANSPORT_PACKET = 188  # bytes, each of which begins with "G"
HEADERS = re.compile(
    rb"""
    (?:RIFF|RIFX|RF64|BW64)....(?:WAVE|AVI\ )   # WAV, AVI
  | FORM....(?:AIFF|AIFC|8SVX)
  | OggS | fLaC | caff | \.snd | wvpk | MAC\ | MPCK | MP\+ | TTA1 | tBaK | DSD\ | FRM8 | FLV\x01
  | \#!AMR | NIST_1A | Creative\ Voice\ File
  | riff\x2e\x91\xcf\x11                        # Wave64
  | \x30\x26\xb2\x75\x8e\x66\xcf\x11             # ASF: WMA, WMV
  | \x1a\x45\xdf\xa3                             # Matroska, WebM
  | \x00\x00\x01\xba                             # MPEG program stream
  | ....(?:ftyp(?!avif|avis|hei[cfsx]|hev[cmsx]|mif1|msf1|crx\ |jxl\ )|moov|mdat)  # MP4, 3GP, MOV; not images
  | ID3[\x02-\x04]
  | \xff[\xe2\xe3\xf2-\xf5\xfa-\xfd][\x10-\xef]  # MPEG audio layer 2 or 3 with a valid bit rate; FFFE is UTF-16
  | \xff[\xf0\xf1\xf8\xf9][\x40-\x7f]            # AAC-LC in ADTS
  | \x0b\x77                                     # AC-3
    """,
    re.VERBOSE | re.DOTALL,
)
"""First bytes of the formats that can be distinguished from any other file."""


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case, without its dot."""
    return PurePath(name).suffix[1:].lower()


def has_sound_suffix(name: str) -> bool | None:
    """Return whether a file is a recording by its name; None if its first bytes have to decide."""
    suffix = suffix_of(name)
    if suffix in AMBIGUOUS_SUFFIXES:
        return None
    if suffix in SOUND_SUFFIXES:
        return True
    if suffix in OTHER_SUFFIXES or suffix in UNFINISHED_SUFFIXES or name.endswith("~"):
        return False
    return None


def has_sound_header(header: bytes) -> bool:
    """Return whether a file is audio or video by its first `HEADER_BYTES` bytes.

    Formats without a signature, such as raw samples, are recordings only by their suffix.
    """
    if HEADERS.match(header):
        return True
    # MPEG transport stream: packets of 188 bytes, in Blu-ray files after a time of 4 bytes each.
    return any(
        len(header) > start + 3 * size and all(header[start + number * size] == 0x47 for number in range(4))
        for start, size in ((0, TRANSPORT_PACKET), (4, TRANSPORT_PACKET + 4))
    )
