"""Recordings that Python code gives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, TypeAlias, cast

from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.read import Manifest, read_manifest

Recordings: TypeAlias = "Manifest | Iterable[Entry] | str | PathLike[str] | Sequence[str | PathLike[str]]"
"""A path or a list of paths, each as an argument of a command; or entries."""


def as_manifest(recordings: Recordings) -> Manifest | Iterable[Entry]:
    """Return recordings as a manifest, or as the entries that they are.

    Raises:
        InputError: as in `read_manifest`, or there are no recordings.
    """
    if isinstance(recordings, str | PathLike):
        return read_manifest([os.fspath(recordings)])
    if not isinstance(recordings, list | tuple):
        return cast("Manifest | Iterable[Entry]", recordings)
    if not recordings:
        raise InputError("recordings must not be empty")
    items = cast("Sequence[Any]", recordings)
    if isinstance(items[0], Entry):
        return items
    return read_manifest([os.fspath(each) for each in items])
