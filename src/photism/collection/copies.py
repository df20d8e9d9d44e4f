"""Copy what a search found to a folder: whole files as they are, what has no suffix and segments as WAV files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from photism.audio.original import load_original
from photism.audio.sources import READ_BYTES, SoundFile
from photism.audio.writing import write_waveform
from photism.collection.locations import local_path, shown
from photism.collection.search import Hit
from photism.errors import InputError, os_error_message
from photism.files import MAX_NAME_BYTES, as_utf8, atomic_path, check_writable
from photism.manifest.places import sound_at
from photism.manifest.recognition import SOUND_SUFFIXES, suffix_of
from photism.output_files import sound_stem


def copy_hits(
    hits: Sequence[Hit],
    folder: Path,
    *,
    force: bool = False,
    on_error: Callable[[InputError], None] | None = None,
) -> list[Path]:
    """Copy recordings to a folder, under their rank and name; a segment is cut out and written as a WAV file.

    A recording without a suffix in a shard or a table becomes a WAV file, too. Such files keep the sampling rate, the
    channels and the samples of their recording. Nothing is moved or deleted.

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
        return f"{rank:03}-{stem}{_suffix(hit.location)}"
    return f"{rank:03}-{stem}-{round(hit.start_s, 3):g}s.wav"


def _is_whole(hit: Hit) -> bool:
    """Return whether a hit is a file with a suffix, from its beginning to its end."""
    return _suffix(hit.location) is not None and not hit.start_s and hit.end_s is None


def _suffix(location: str) -> str | None:
    """Return the suffix of a file; None if it is in object storage, a shard or a table under a name without one."""
    path, suffix = local_path(location), suffix_of(location)
    if path is not None:
        return path.suffix
    return f".{suffix}" if suffix in SOUND_SUFFIXES else None


def _copy(hit: Hit, target: Path) -> None:
    if _is_whole(hit):
        sound = open_segment(hit)
        with sound.open() as source, atomic_path(target) as unfinished, unfinished.open("wb") as copy:
            for block in _blocks(source, sound.name):
                copy.write(block)
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


def _blocks(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the bytes of a recording.

    Raises:
        InputError: it cannot be read.
    """
    try:
        while block := file.read(READ_BYTES):
            yield block
    except OSError as error:
        raise InputError(f"{name}: {os_error_message(error)}") from error


def open_segment(hit: Hit) -> SoundFile:
    """Return the file of a hit, of which only its segment is read."""
    path = local_path(hit.location)
    source = sound_at(hit.location).source if path is None else path
    return SoundFile(source, shown(hit.location), start_s=hit.start_s, end_s=hit.end_s)
