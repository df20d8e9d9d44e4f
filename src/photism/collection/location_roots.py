"""The folders that recordings of a collection are below, which its visitors need not know."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from photism.collection.locations import FILE_SCHEME

if TYPE_CHECKING:
    from lance import LanceDataset

LOCATION = "location"
TOP = (
    r"(?P<top>^(?i:file://)[^/]*/(?:[^/]+/)?|^[A-Za-z][A-Za-z0-9+.-]*://[^/]*/?"
    r"|^/(?:[^/]+/)?|^[A-Za-z]:[\\/](?:[^\\/]+[\\/])?|^)"
)
"""First folder of a path or of the URI of a file, or host of another URL; "" for a row of a data set."""


def find_roots(dataset: LanceDataset) -> tuple[tuple[str, str], ...]:
    """Return the beginnings of locations that are left out, longest first, each with what is shown in its place.

    URLs have the beginning of them all, and files the folder of them all, without anything in its place. Files in
    folders that have nothing in common have one for each first folder, and show its last folder's name: files below
    `/home/ann/sounds` and `/mnt/owls` show `sounds/a.wav` and `owls/b.wav`. A file whose path is not UTF-8 has a URI in
    the table, and the same root as others of its folder.

    Args:
        dataset: table with the column `location`.
    """
    tops = _folder_of_each_top(dataset)
    files = {folder: _path_of(folder) for top, folder in tops.items() if _is_file(top)}
    urls = [folder for top, folder in tops.items() if "://" in top and not _is_file(top)]
    rows = [folder for top, folder in tops.items() if not top]
    roots = [(_common_folder(each), "") for each in (urls, rows)]
    names: set[str] = set()
    groups = _groups(files.values())
    for root in groups:
        name = _new_name(root, names) if len(groups) > 1 else ""
        roots += [(_begin(folder, path, root), name) for folder, path in files.items() if path.startswith(root)]
    return tuple(sorted({each for each in roots if each[0]}, key=lambda each: (-len(each[0]), each)))


def _folder_of_each_top(dataset: LanceDataset) -> dict[str, str]:
    """Return the folder in which all locations are that have a first folder, or host, in common."""
    import pyarrow as pa
    from pyarrow import compute

    ends: dict[str, list[str]] = defaultdict(list)
    for batch in dataset.to_batches(columns=[LOCATION]):
        tops = compute.call_function("extract_regex", [batch.column(0)], compute.ExtractRegexOptions(TOP)).field("top")
        table = pa.table({"top": tops, LOCATION: batch.column(0)}).group_by("top")
        for row in table.aggregate([(LOCATION, "min"), (LOCATION, "max")]).to_pylist():
            ends[row["top"]] += row[f"{LOCATION}_min"], row[f"{LOCATION}_max"]
    return {top: _common_folder(each) for top, each in ends.items()}


def _groups(paths: Iterable[str]) -> list[str]:
    """Return the folder of all paths with the same first folder, for each."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[_top(path)].append(path)
    return sorted(_common_folder(each) for each in groups.values())


def _top(path: str) -> str:
    found = re.match(TOP, path)
    return found["top"] if found else ""


def _common_folder(locations: Iterable[str]) -> str:
    """Return the folder in which all locations are, with a slash at its end."""
    ordered = sorted(locations) or [""]
    pairs = zip(ordered[0], ordered[-1], strict=False)  # whose common beginning is that of all
    common = "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return common[: max(common.rfind("/"), common.rfind(os.sep)) + 1]


def _is_file(location: str) -> bool:
    return location.lower().startswith(FILE_SCHEME) or ("://" not in location and bool(_top(location)))


def _path_of(folder: str) -> str:
    """Return the path of a folder that is a path or the URI of a file."""
    if not folder.lower().startswith(FILE_SCHEME):
        return folder
    host_and_path = folder[len(FILE_SCHEME) :]
    return os.fsdecode(unquote_to_bytes(host_and_path[host_and_path.find("/") :]))


def _begin(folder: str, path: str, root: str) -> str:
    """Return the beginning of a folder, a path or a URI, that stands for a root above its path."""
    if folder == path:
        return root
    inner = path[len(root) :].count("/")
    return "/".join(folder.split("/")[: -1 - inner]) + "/"


def _new_name(root: str, names: set[str]) -> str:
    """Return the name of a folder with a slash at its end, and a number if others have it; "" for the top folder."""
    name = re.sub(r"[^\w .-]", "_", re.split(r"[\\/]", root.rstrip("\\/"))[-1])
    if not name:
        return ""
    found, number = name, 2
    while found in names:
        found, number = f"{name}-{number}", number + 1
    names.add(found)
    return f"{found}/"
