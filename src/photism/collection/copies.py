"""Copy what a search found to a folder: whole files as they are, segments as WAV files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from photism.audio.original import load_original
from photism.audio.sources import SoundFile
from photism.audio.writing import write_waveform
from photism.collection.locations import local_path, shown
from photism.collection.search import Hit
from photism.errors import InputError
from photism.files import MAX_NAME_BYTES, as_utf8, atomic_path, check_writable
from photism.manifest.places import sound_at
from photism.output_files import sound_stem


def copy_hits(
    hits: Sequence[Hit],
    folder: Path,
    *,
    force: bool = False,
    on_error: Callable[[InputError], None] | None = None,
) -> list[Path]:
    """Copy recordings to a folder, under their rank and name; a segment is cut out and written as a WAV file.

    A segment keeps the sampling rate, the channels and the samples of its recording. Nothing is moved or deleted.

    Args:
        hits: what was found.
        folder: folder of the copies, which is created.
        force: replace existing files.
        on_error: called with the error of each recording that cannot be read; None raises it.

    Returns:
        the files that were written.

    Raises:
        InputError: a file of that name exists.
    """
    folder.mkdir(exist_ok=True)
    targets = [folder / _copy_name(hit, rank) for rank, hit in enumerate(hits, 1)]
    for target in targets:
        check_writable(target, "--copy-to", force=force)
    written: list[Path] = []
    for hit, target in zip(hits, targets, strict=True):
        try:
            _copy(hit, target)
            written.append(target)
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
    return written


def _copy_name(hit: Hit, rank: int) -> str:
    """Return the name of a copy, such as 003-owl.ogg or, of a segment, 003-owl-12.5s.wav."""
    path = local_path(hit.location)
    stem = sound_stem(hit.location) if path is None else path.stem
    if len(stem.encode(errors="surrogateescape")) > MAX_NAME_BYTES:
        stem = as_utf8(stem)[: MAX_NAME_BYTES // 4]
    if _is_whole(hit):
        return f"{rank:03}-{stem}{'.wav' if path is None else path.suffix}"
    return f"{rank:03}-{stem}-{round(hit.start_s, 3):g}s.wav"


def _is_whole(hit: Hit) -> bool:
    """Return whether a hit is a file of its own, from its beginning to its end."""
    return local_path(hit.location) is not None and not hit.start_s and hit.end_s is None


def _copy(hit: Hit, target: Path) -> None:
    path = local_path(hit.location)
    if path is not None and _is_whole(hit):
        try:
            with atomic_path(target) as unfinished:
                shutil.copyfile(path, unfinished)
        except FileNotFoundError as error:
            if error.filename != str(path):
                raise
            raise InputError(f"{shown(hit.location)}: no such file") from None
        return
    original = load_original(open_segment(hit))
    write_waveform(
        original.scaled,
        target,
        sampling_rate=original.sampling_rate,
        title=as_utf8(target.stem),
        about={"source": shown(hit.location), "start_s": hit.start_s, "end_s": hit.end_s},
        sample_type=original.sample_type,
    )


def open_segment(hit: Hit) -> SoundFile:
    """Return the file of a hit, of which only its segment is read."""
    path = local_path(hit.location)
    source = sound_at(hit.location).source if path is None else path
    return SoundFile(source, shown(hit.location), start_s=hit.start_s, end_s=hit.end_s)
