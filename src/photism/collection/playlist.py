"""Playlists of what a search found, in the format M3U8, with the times of segments as VLC reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from photism.collection.hit_formats import caption, segment
from photism.collection.locations import link, local_path, shown
from photism.collection.search import Hit
from photism.files import atomic_text


def write_playlist(hits: Sequence[Hit], target: Path) -> None:
    """Write a playlist, in which files are relative to its folder.

    Args:
        hits: what was found; recordings within shards and data sets have no file of their own and are left out.
        target: the file, written under a temporary name and then renamed.
    """
    with atomic_text(target) as file:
        file.write("#EXTM3U\n")
        for hit in hits:
            entry = _entry(hit.location, target.parent)
            if entry is None:
                continue
            duration_s = -1 if hit.end_s is None else hit.end_s - hit.start_s
            title = " – ".join(filter(None, (shown(hit.location), segment(hit.start_s, hit.end_s), caption(hit.row))))
            file.write(f"#EXTINF:{duration_s:g},{' '.join(title.split())}\n")
            if hit.start_s:
                file.write(f"#EXTVLCOPT:start-time={hit.start_s:.3f}\n")
            if hit.end_s is not None:
                file.write(f"#EXTVLCOPT:stop-time={hit.end_s:.3f}\n")
            file.write(f"{entry}\n")


def _entry(location: str, folder: Path) -> str | None:
    """Return the line of a recording: a relative path, or a URI for a name that a line of text cannot hold."""
    path = local_path(location)
    if path is None:
        return link(location, folder)
    relative = os.path.relpath(path.absolute(), folder.absolute())
    try:
        relative.encode()
    except UnicodeEncodeError:
        return path.absolute().as_uri()
    is_plain = relative.isprintable() and relative == relative.strip() and not relative.startswith("#")
    return relative if is_plain else path.absolute().as_uri()
