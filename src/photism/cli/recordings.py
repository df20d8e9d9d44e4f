"""Recordings that a command was given: files, URLs, pipes and standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.cli.progress import RecordingsBar, skipped_line
from photism.errors import InputError
from photism.output_files import STANDARD_INPUT

if TYPE_CHECKING:
    from photism.audio.long_recording import Recording


def open_recordings(given: Sequence[str], reading: ReadingSettings) -> list[SoundFile]:
    """Return a file for each recording, which is read when it is needed.

    Args:
        given: files, URLs, or - for standard input.
        reading: how they are read.

    Raises:
        InputError: standard input is given twice, or is closed.
    """
    if list(given).count(STANDARD_INPUT) > 1:
        raise InputError("- is given twice; standard input can be read once")
    return [_standard_input(reading) if each == STANDARD_INPUT else SoundFile(each, reading=reading) for each in given]


def skip_and_release(bar: RecordingsBar, files: Sequence[SoundFile]) -> Callable[[int, InputError], None]:
    """Return a callback that reports a recording that cannot be used, and frees its memory."""

    def skip(number: int, error: InputError) -> None:
        """Skip a recording."""
        bar.skip(number, error)
        files[number].release()

    return skip


def read_recordings(files: Sequence[SoundFile], *, skips: bool) -> dict[int, Recording]:
    """Read recordings, and free the memory of the files that need not be read again.

    Args:
        files: the recordings.
        skips: report unreadable recordings and skip them.

    Returns:
        the recordings by the index of the file.

    Raises:
        InputError: a recording is unreadable, and not skipped.
    """
    from photism.audio.long_recording import LongRecording, load_recording

    recordings: dict[int, Recording] = {}
    for number, file in enumerate(files):
        try:
            recording = recordings[number] = load_recording(file)
        except InputError as error:
            if not skips:
                raise
            typer.echo(skipped_line(error), err=True)
            recording = None
        if not isinstance(recording, LongRecording):
            file.release()
    return recordings


def _standard_input(reading: ReadingSettings) -> SoundFile:
    if sys.stdin is None:
        raise InputError("- is standard input, which is closed; give a file")
    return SoundFile(sys.stdin.buffer, STANDARD_INPUT, reading)
