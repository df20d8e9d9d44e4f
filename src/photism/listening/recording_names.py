"""Names of recordings in RTTM and CTM, whose fields are separated by spaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from photism.errors import InputError
from photism.output_files import sound_stem


def as_field(text: str) -> str:
    """Return a text as one field, with underscores in place of spaces."""
    return "_".join(text.split())


def recording_names(recordings: Sequence[str]) -> list[str]:
    """Return a different name for each recording.

    It is the name of the file without its extension; where that is not unique, with as many of its folders as make it
    unique (`a/talk` and `b/talk`), and otherwise with the extension (`talk.wav` and `talk.mp3`).

    Args:
        recordings: files or URLs.

    Raises:
        InputError: a recording is given twice.
    """
    spellings = [_spellings(each) for each in recordings]
    depths = [0] * len(recordings)
    while True:
        names = [each[depth] for each, depth in zip(spellings, depths, strict=True)]
        counts = Counter(names)
        repeated = [index for index, name in enumerate(names) if counts[name] > 1]
        if not repeated:
            return names
        for index in repeated:
            depths[index] += 1
            if depths[index] == len(spellings[index]):
                raise InputError(
                    f"{recordings[index]} is given twice; give it once, since the output identifies recordings by name"
                )


def find_recording(names: Iterable[str], recording: str) -> str | None:
    """Return the name of a recording, as `recording_names` spells it; that with the most folders, or None."""
    spellings = {*_spellings(recording), sound_stem(recording)}
    fitting = [name for name in names if as_field(name) in spellings or name in spellings]
    return max(fitting, key=lambda name: (name.count("/"), len(name)), default=None)


def _spellings(recording: str) -> list[str]:
    """Return the names of a recording: without its extension and with ever more folders, then with the extension."""
    url = urlsplit(recording)
    path = PurePosixPath(f"{url.netloc}{unquote(url.path)}" if "://" in recording else recording)
    *folders, _ = path.parts or ("",)
    stem = sound_stem(recording)
    folders = [each.strip("/") for each in folders]  # the root is empty
    names = ["/".join([*folders[len(folders) - depth :], stem]) for depth in range(len(folders) + 1)]
    return [as_field(name) for name in [*names, *(f"{name}{path.suffix}" for name in names)]]
