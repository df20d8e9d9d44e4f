"""Encoding of the standard streams: after the work is done, no character may stop it from being printed."""

from __future__ import annotations

import codecs
import io
import json
import sys

ESCAPES = "photism.escapes"
"""Name of the error handler that escapes characters as JSON does."""


def escape_unencodable() -> None:
    """Let the standard streams write characters that their encoding lacks as JSON escapes them.

    UTF-8 lacks the bytes of a file name that is not UTF-8, and other encodings lack most characters. JSON that is
    printed so is valid JSON of the same values. Where the encoding is ASCII, it becomes UTF-8, as in Typer, which would
    otherwise print question marks.
    """
    codecs.register_error(ESCAPES, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf8" if is_ascii else None, errors=ESCAPES)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
