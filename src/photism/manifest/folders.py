"""List the recordings in a folder and in the folders in it, and those that match a pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from photism.errors import os_error_message
from photism.manifest.entry import Entry
from photism.manifest.files import file_entry, relative_name
from photism.manifest.recognition import DATA_SET_SUFFIXES, HEADER_BYTES, has_sound_header, has_sound_suffix


class Found(NamedTuple):
    """A recording in a folder, or a folder that cannot be read.

    Attributes:
        path: its path.
        name: its path relative to the folder that is listed.
        entry: the recording; None for a folder.
        problem: why the folder cannot be read.
    """

    path: str
    name: str
    entry: os.DirEntry[str] | None
    problem: str = ""


@dataclass(frozen=True)
class FolderListing:
    """Recordings in a folder and in the folders in it, in the order of their names.

    Hidden files and folders are skipped. A symbolic link to a folder is followed, unless that folder is in the one that
    is listed, contains it, or was listed before.

    Attributes:
        folder: path of the folder.
        prefix: beginning of each `Entry.name`: empty, or the name of the folder and a slash.
    """

    folder: str
    prefix: str = ""

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording, and one with a problem for each folder that cannot be read."""
        for found in _walk(self.folder):
            name = self.prefix + found.name
            yield Entry(found.path, "", name, problem=found.problem) if found.problem else file_entry(found.path, name)

    @property
    def location(self) -> str:
        """The path of the folder."""
        return self.folder

    def count(self) -> int:
        """Return the number of entries, without looking at the files but for those with an unknown suffix."""
        return sum(1 for _ in _walk(self.folder))


def is_recording(path: str) -> bool:
    """Return whether a local file is a recording, by its suffix or its first bytes; a hidden one is none."""
    name = os.path.basename(path)
    if name.startswith("."):
        return False
    is_sound = has_sound_suffix(name)
    return _has_sound_header(path) if is_sound is None else is_sound


def _has_sound_header(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return has_sound_header(file.read(HEADER_BYTES))
    except OSError:
        return False


def _walk(folder: str) -> Iterator[Found]:
    """Yield the recordings in a folder, sorted by name within each folder."""
    root = os.path.realpath(folder)
    visited: set[str] = {root}  # folders to which links led
    stack = [_sorted_entries(folder, "")]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
        elif found.problem or found.entry is None or not _is_folder(found.entry):
            yield found
        elif not found.entry.is_symlink() or _is_new(found.path, root, visited):
            stack.append(_sorted_entries(found.path, f"{found.name}/"))


def _sorted_entries(folder: str, prefix: str) -> Iterator[Found]:
    """Yield the recordings and folders of a folder, or the folder itself if it cannot be read."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((each for each in scanned if not each.name.startswith(".")), key=lambda each: each.name)
    except OSError as error:
        yield Found(folder, prefix.rstrip("/") or os.path.basename(folder), None, os_error_message(error))
        return
    for each in entries:
        if _is_folder(each):
            is_wanted = not each.name.endswith(DATA_SET_SUFFIXES)
        else:
            # A link to a file that is missing is listed if its name is that of a recording, so that it is not lost.
            is_wanted = (each.is_symlink() or each.is_file()) and is_recording(each.path)
        if is_wanted:
            yield Found(each.path, prefix + each.name, each)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link that cannot be followed, such as a loop, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_new(link: str, root: str, visited: set[str]) -> bool:
    """Return whether a link leads to a folder that is not listed otherwise, and note it."""
    target = os.path.realpath(link)
    within = {target, *map(str, PurePath(target).parents)}
    if not visited.isdisjoint(within) or PurePath(root).is_relative_to(target):
        return False
    visited.add(target)
    return True


@dataclass(frozen=True)
class GlobListing:
    """Recordings that match a pattern, and those in the folders that match, in the order of their paths.

    Attributes:
        pattern: pattern with *, ? or [...]; ** matches any number of folders, and links as `FolderListing` does.
    """

    pattern: str

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording."""
        root = os.path.dirname(glob_root(self.pattern))
        for path in self.paths():
            name = os.path.relpath(path, root or ".")
            if os.path.isdir(path):
                prefix = "" if name == "." else f"{relative_name(name)}/"
                yield from FolderListing(path, prefix).entries()
            else:
                yield file_entry(path, relative_name(name))

    def paths(self) -> Iterator[str]:
        """Yield the recordings and folders that match, sorted, and nothing that is in one of these folders."""
        folders: set[str] = set()
        for path in sorted(set(_matches(self.pattern))):
            parents = list(_parents(path))
            if not folders.isdisjoint(parents) or any(each.endswith(DATA_SET_SUFFIXES) for each in [*parents, path]):
                continue
            if os.path.isdir(path):
                if not _is_loop(path):
                    folders.add(path.rstrip(f"/{os.sep}"))
                    yield path
            elif is_recording(path):
                yield path

    def count(self) -> int:
        """Return the number of entries."""
        return sum(FolderListing(path).count() if os.path.isdir(path) else 1 for path in self.paths())


def glob_root(pattern: str) -> str:
    """Return the part of a pattern before its first *, ? or [."""
    return pattern[: min((pattern.index(each) for each in "*?[" if each in pattern), default=len(pattern))]


def _matches(pattern: str) -> Iterator[str]:
    """Yield the paths that match a pattern, some of them more than once; for ** at its end only the folder before it.

    `glob` follows links for **, and a link to a folder that it is in up to 40 times.
    """
    parts = pattern.replace(os.sep, "/").split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern)
        return
    place = parts.index("**")
    before, after = "/".join(parts[:place]) or "/" * (place > 0), "/".join(parts[place + 1 :])
    for base in glob.iglob(before) if before else [""]:
        if not os.path.isdir(base or "."):
            continue
        if not after:
            yield base or "."
            continue
        for folder in _folders(base, os.path.realpath(base), {os.path.realpath(base)}):
            yield from _matches(os.path.join(glob.escape(folder), after))


def _folders(folder: str, root: str, visited: set[str]) -> Iterator[str]:
    """Yield a folder and the folders in it, without those that are hidden or cannot be read."""
    yield folder
    try:
        with os.scandir(folder or ".") as scanned:
            inner = [each.name for each in scanned if _is_folder(each) and not each.name.startswith(".")]
    except OSError:
        return
    for name in inner:
        path = os.path.join(folder, name)
        if not name.endswith(DATA_SET_SUFFIXES) and (not os.path.islink(path) or _is_new(path, root, visited)):
            yield from _folders(path, root, visited)


def _is_loop(folder: str) -> bool:
    """Return whether a folder is a link to one that it is in."""
    place = folder.rstrip(f"/{os.sep}")
    parent = os.path.realpath(os.path.dirname(place))
    return os.path.islink(place) and PurePath(parent).is_relative_to(os.path.realpath(place))


def _parents(path: str) -> Iterator[str]:
    """Yield the folders that a path is in, up to the root, which is its own folder."""
    while (folder := os.path.dirname(path)) not in ("", path):
        yield folder
        path = folder
