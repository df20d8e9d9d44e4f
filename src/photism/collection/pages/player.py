"""The player of a recording on a page: linked, or held in the page itself."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from photism.audio.original import load_original
from photism.audio.writing import write_waveform
from photism.collection.copies import open_segment
from photism.collection.locations import is_missing, link, shown
from photism.collection.pages.document import text
from photism.collection.search import Hit
from photism.errors import InputError

MAX_EMBEDDED_BYTES = 64 * 2**20
"""Most bytes of a page's recordings: browsers hold a page in memory several times."""


class PlayerMaker:
    """Maker of the players of a page.

    Args:
        folder: folder of the page, which links are relative to.
        embed: hold the segments in the page, as MP3, so that it can be sent to somebody.

    Attributes:
        problems: recordings without a player, and why.
    """

    def __init__(self, folder: Path, *, embed: bool = False) -> None:
        self._folder, self._embed, self._left = folder, embed, MAX_EMBEDDED_BYTES
        self.problems: list[str] = []

    def source(self, hit: Hit) -> tuple[str, str]:
        """Return the URL of a recording for a player, and what is wrong; one of them is empty."""
        problem = "The file is missing." if is_missing(hit.location) else ""
        if not problem and self._embed:
            try:
                return self._embedded(hit), ""
            except InputError as error:
                problem = str(error)
        url = None if problem else link(hit.location, self._folder)
        if url is None:
            problem = problem or "This recording has no file of its own; use --embed-audio to hear it here."
            self.problems.append(f"{shown(hit.location)}: {problem}")
            return "", problem
        return url, ""

    def html(self, hit: Hit) -> str:
        """Return the player of a recording, or why there is none."""
        url, problem = self.source(hit)
        note = f'<div class="problem" role="status"{"" if problem else " hidden"}>{text(problem)}</div>'
        if problem:
            return note
        times = "" if url.startswith("data:") else media_fragment(hit)
        limits = "" if url.startswith("data:") else f' data-start="{hit.start_s:.3f}"{_end(hit)}'
        label = text(f"Play {shown(hit.location)}")
        return f'{note}<audio controls preload="none" src="{text(url + times)}"{limits} aria-label="{label}"></audio>'

    def _embedded(self, hit: Hit) -> str:
        original = load_original(open_segment(hit))
        with TemporaryDirectory() as folder:
            target = Path(folder, "segment.mp3")
            samples = original.scaled
            mixed = samples if len(samples) <= 2 else samples.mean(axis=0, keepdims=True)  # MP3 has two channels
            write_waveform(mixed, target, sampling_rate=original.sampling_rate, title="", about={})
            data = target.read_bytes()
        self._left -= len(data)
        if self._left < 0:
            raise InputError(f"the recordings are larger than {MAX_EMBEDDED_BYTES // 2**20} MB; embed fewer of them")
        return f"data:audio/mpeg;base64,{b64encode(data).decode()}"


def media_fragment(hit: Hit) -> str:
    """Return the end of a URL that names a segment, as browsers read it."""
    if not hit.start_s and hit.end_s is None:
        return ""
    return f"#t={hit.start_s:.3f}" + ("" if hit.end_s is None else f",{hit.end_s:.3f}")


def _end(hit: Hit) -> str:
    return "" if hit.end_s is None else f' data-end="{hit.end_s:.3f}"'
