"""Read the rows of lists: CSV with any usual delimiter, and JSON Lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from photism.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, or in UTF-16 with a byte order mark as spreadsheets write it.

    Raises:
        InputError: it is neither, or contains NUL.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be UTF-8 text; it cannot be read: {error}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path} must be UTF-8 text; line {line} contains a NUL character")
    return text


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their ends: LF, or CR and LF, and no other character of Unicode."""
    return [line.removesuffix("\r") for line in read_text(path).split("\n")]


def read_json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON Lines file.

    Raises:
        InputError: a line is not a JSON object.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield checked_row(json.loads(line))
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{path}, line {number}, must be a JSON object; it cannot be read: {error}") from None


def read_table(path: Path, *, delimiter: str | None = None, quoted: bool = True) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file with a header, by the names of its columns.

    Args:
        path: the file.
        delimiter: character between two fields; None for the one of `DELIMITERS` that is most frequent in the header.
        quoted: whether a field in double quotes may contain delimiters and line breaks; never where "|" is one.

    Raises:
        InputError: it is not CSV, or a row has more fields than the header.
    """
    text = read_text(path)
    delimiter = delimiter or delimiter_of(text.partition("\n")[0])
    quoting = csv.QUOTE_MINIMAL if quoted and delimiter != "|" else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for fields in reader:
            if any(fields[len(header) :]):
                raise InputError(
                    f"{path}, line {reader.line_num}, must have the {len(header)} fields of the header; it has "
                    f"{len(fields)}: put a text that contains {delimiter!r} between double quotes"
                )
            if fields:
                yield dict(zip(header, fields, strict=False))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}, must be CSV; it cannot be read: {error}") from None


def delimiter_of(header: str) -> str:
    """Return the delimiter that is most frequent in the first line of a table."""
    return max(DELIMITERS, key=header.count)


def checked_row(row: Any) -> Mapping[str, Any]:
    """Return a row read from JSON if it is an object.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(row, Mapping):
        raise InputError(f"data must describe each recording by a JSON object; got {row!r}")
    return cast("Mapping[str, Any]", row)
