"""Read the rows of lists line by line: CSV with any usual delimiter, and JSON Lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from photism.audio.sources import open_source, source_name
from photism.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class NumberedRow(NamedTuple):
    """Row of a list, or why it cannot be used.

    Attributes:
        line: number of its last line, from 1.
        values: its fields by the names of the columns; none if there is a problem.
        problem: sentence that begins with the list and the line; empty if there is none.
    """

    line: int
    values: Mapping[str, Any]
    problem: str = ""


def read_lines(path: str | Path, *, allow_private_urls: bool = False) -> Iterator[str]:
    """Yield the lines of a text file without their ends: LF, or CR and LF, and no other character of Unicode.

    The text is in UTF-8, or in UTF-16 with a byte order mark as spreadsheets write it. As when a text is split at its
    line feeds, the last line is empty if the text ends with one.

    Args:
        path: path, or URL of object storage.
        allow_private_urls: accept loopback, private and link-local addresses.

    Raises:
        InputError: the file is in another encoding, or contains NUL.
    """
    last = "\n"
    for last in _lines(path, "\n", allow_private_urls=allow_private_urls):
        yield last.removesuffix("\n").removesuffix("\r")
    if last.endswith("\n"):
        yield ""


def read_json_lines(path: str | Path) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON Lines file.

    Raises:
        InputError: a line is not a JSON object.
    """
    return _usable(json_rows(path))


def json_rows(path: str | Path, *, allow_private_urls: bool = False) -> Iterator[NumberedRow]:
    """Yield the lines of a JSON Lines file, also those that are not an object, as problems."""
    for number, line in enumerate(read_lines(path, allow_private_urls=allow_private_urls), start=1):
        if not line.strip():
            continue
        try:
            yield NumberedRow(number, checked_row(json.loads(line)))
        except InputError as error:
            yield NumberedRow(number, {}, f"{source_name(path)}, line {number}: {error}")
        except (json.JSONDecodeError, RecursionError) as error:
            problem = f"{source_name(path)}, line {number}, must be a JSON object; it cannot be read: {error}"
            yield NumberedRow(number, {}, problem)


def read_table(path: str | Path, *, delimiter: str | None = None, quoted: bool = True) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a CSV file with a header, by the names of its columns; a repeated name gets a number.

    Args:
        path: path, or URL of object storage.
        delimiter: character between two fields; None for the one of `DELIMITERS` that is most frequent in the header.
        quoted: whether a field in double quotes may contain delimiters and line breaks; never where "|" is one.

    Raises:
        InputError: it is not CSV, or a row has more fields than the header.
    """
    return _usable(table_rows(path, delimiter=delimiter, quoted=quoted))


def table_rows(
    path: str | Path, *, delimiter: str | None = None, quoted: bool = True, allow_private_urls: bool = False
) -> Iterator[NumberedRow]:
    """Yield the rows of a CSV file, also those that cannot be used, as problems.

    Args:
        path: as in `read_table`.
        delimiter: as in `read_table`.
        quoted: as in `read_table`.
        allow_private_urls: accept loopback, private and link-local addresses.

    Raises:
        InputError: the file is in another encoding than UTF-8 and UTF-16, or contains NUL.
    """
    lines = _lines(path, "", allow_private_urls=allow_private_urls)
    first = next(lines, "")
    delimiter = delimiter or delimiter_of(first.partition("\n")[0])
    quoting = csv.QUOTE_MINIMAL if quoted and delimiter != "|" else csv.QUOTE_NONE
    reader = csv.reader(chain([first], lines), delimiter=delimiter, quoting=quoting, strict=True)
    header: list[str] | None = None
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            problem = f"{source_name(path)}, line {reader.line_num}, must be CSV; it cannot be read: {error}"
            yield NumberedRow(reader.line_num, {}, problem)
            continue
        if fields is None:
            return
        if header is None:
            header = _distinct([name.strip() for name in fields])
        elif any(fields[len(header) :]):
            problem = (
                f"{source_name(path)}, line {reader.line_num}, must have the {len(header)} fields of the header; "
                f"it has {len(fields)}: put a text that contains {delimiter!r} between double quotes"
            )
            yield NumberedRow(reader.line_num, {}, problem)
        elif fields:
            yield NumberedRow(reader.line_num, dict(zip(header, fields, strict=False)))


def _distinct(header: Sequence[str]) -> list[str]:
    """Return the names of columns, those that are repeated with a number: a, a_2, a_3. Empty ones stay."""
    names: list[str] = []
    for name in header:
        numbered = (f"{name}_{number}" for number in count(2))
        is_repeated = bool(name) and name in names
        names.append(
            next(each for each in numbered if each not in header and each not in names) if is_repeated else name
        )
    return names


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


def open_list(path: str | Path, *, allow_private_urls: bool = False) -> BinaryIO:
    """Open a list: a local file, or one in object storage.

    Raises:
        InputError: it cannot be opened.
    """
    return open_source(path, source_name(path), allow_private_urls=allow_private_urls)


def _usable(rows: Iterable[NumberedRow]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if row.problem:
            raise InputError(row.problem)
        yield row.values


def _lines(path: str | Path, newline: str, *, allow_private_urls: bool) -> Iterator[str]:
    """Yield the lines of a text file with their ends, as `open` understands `newline`."""
    name = source_name(path)
    number = 0
    with closing(open_list(path, allow_private_urls=allow_private_urls)) as file:
        is_utf16 = file.read(2).startswith(UTF16)
        file.seek(0)
        with io.TextIOWrapper(file, "utf-16" if is_utf16 else "utf-8-sig", newline=newline) as text:
            try:
                for number, line in enumerate(text, start=1):
                    if "\0" in line:
                        raise InputError(f"{name} must be UTF-8 text; line {number} contains a NUL character")
                    yield line
            except (OSError, UnicodeError) as error:
                where = f"after line {number} " if number else ""
                raise InputError(f"{name} must be UTF-8 text; it cannot be read {where}({error})") from None
