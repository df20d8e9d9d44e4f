"""Output files of a verb over recordings, which are checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photism.cli.png import sound_stem
from photism.errors import InputError
from photism.files import check_writable


def is_folder(output: str) -> bool:
    """Return whether an output is a folder: an existing one, or a name that ends in a slash."""
    return output.endswith("/") or Path(output).is_dir()


def plan_files(recordings: Sequence[str], output: str, suffix: str, *, flag: str, force: bool) -> list[Path]:
    """Return the output file of each recording: in a folder, named after the recording, or else the file itself.

    Args:
        recordings: files or URLs.
        output: folder, or file for a single recording.
        suffix: suffix of the files in a folder.
        flag: flag that names the output.
        force: allow existing files to be overwritten.

    Raises:
        InputError: a file cannot be written, exists, or would be written for two recordings.
    """
    to_folder = is_folder(output)
    if not to_folder and len(recordings) > 1:
        raise InputError(f"{flag} must be a folder for several recordings, but {output} is none; create it")
    paths = [Path(output, sound_stem(each) + suffix) if to_folder else Path(output) for each in recordings]
    seen: dict[Path, str] = {}
    for recording, path in zip(recordings, paths, strict=True):
        if path in seen:
            raise InputError(f"{seen[path]} and {recording} would both be written to {path}; process them one by one")
        check_writable(path, flag, force=force)
        seen[path] = recording
    return paths
