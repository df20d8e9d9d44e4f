"""Files that a search writes: a page, a playlist, copies of the recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from photism.collection.search_settings import HIT_FORMATS, HitFormat
from photism.errors import InputError
from photism.files import check_folder
from photism.output_files import check_suffix
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.collection.search import Hit

PLAYLIST_SUFFIXES = (".m3u8", ".m3u")
MAP_SUFFIXES = (".png", ".html")


@settings(group="output")
class SearchOutput:
    """What is printed and written of a search."""

    format: HitFormat | None = setting(None, "Format of what is printed. Default: table.", choices=HIT_FORMATS)
    as_json: bool = setting(False, "Print one JSON object per result, as --format json does.", flag="--json")
    html: Path | None = setting(
        None, "HTML page with a player for each result, which plays its segment.", metavar="FILE.html"
    )
    embed_audio: bool = setting(
        False, "Hold the recordings in the page of --html, as MP3, so that it can be sent to somebody."
    )
    playlist: Path | None = setting(
        None,
        "Playlist of the results, with the times of segments, for players such as VLC.",
        short="--play",
        metavar="FILE.m3u8",
    )
    copy_to: Path | None = setting(
        None,
        "Folder to copy the results to: whole files as they are; segments, and what has no suffix in a shard or table, "
        "as WAV files with their channels and rate.",
        metavar="FOLDER",
    )
    force: bool = setting(False, "Overwrite existing files.")

    def check(self) -> None:
        """Check that the settings fit together.

        Raises:
            SettingError: two formats are chosen, or recordings are to be held in no page.
        """
        if self.as_json and self.format not in (None, "json"):
            raise SettingError("as_json", f"and {{}} {self.format} exclude each other; give one of them", "format")
        if self.embed_audio and self.html is None:
            raise SettingError("embed_audio", "needs {}, the page", "html")

    @property
    def chosen_format(self) -> HitFormat:
        """The format of what is printed."""
        return "json" if self.as_json else self.format or "table"

    @property
    def writes_files(self) -> bool:
        """True if files of results are written."""
        return any(each is not None for each in (self.html, self.playlist, self.copy_to))

    def check_files(self) -> None:
        """Check that the files can be written, before any work.

        Raises:
            InputError: a name has another suffix, a folder is missing or not writable, or a file exists.
        """
        if self.html is not None:
            check_suffix(self.html, "--html", (".html", ".htm"), force=self.force)
        if self.playlist is not None:
            check_suffix(self.playlist, "--playlist", PLAYLIST_SUFFIXES, force=self.force)
        if self.copy_to is not None:
            check_folder(self.copy_to, "--copy-to")

    def write_files(self, hits: Sequence[Hit], title: str, on_error: Callable[[InputError], None]) -> None:
        """Write the files of results.

        Args:
            hits: the results.
            title: what was searched for.
            on_error: called with the error of each recording that cannot be played, or copied.
        """
        if self.copy_to is not None:
            from photism.collection.copies import copy_hits

            copy_hits(hits, self.copy_to, force=self.force, on_error=on_error)
        if self.playlist is not None:
            from photism.collection.playlist import write_playlist

            write_playlist(hits, self.playlist)
        if self.html is not None:
            from photism.collection.pages.hits_page import write_hits_page

            for problem in write_hits_page(hits, self.html, title=title, embed=self.embed_audio):
                on_error(InputError(problem))
