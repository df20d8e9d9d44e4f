"""Reader of Kaldi data folders: wav.scp, and text, utt2spk and segments if there are.

wav.scp may contain commands whose output is the recording. They are refused: a data set must not run programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.manifest.tables import read_lines
from photism.training.data.example import ListedRow, split_of_folder

RECORDINGS = "wav.scp"
FILES = (RECORDINGS, "text", "utt2spk", "segments")
IN_ARCHIVE = re.compile(r"\.ark:\d+$")
TO_THE_END = -1.0
"""End of a segment that extends to the end of its recording."""


def find_kaldi(folder: Path) -> list[Path]:
    """Return the wav.scp of a Kaldi data folder, or those of its folders that are called like splits."""
    own = folder / RECORDINGS
    if own.is_file():
        return [own]
    return [path for path in sorted(folder.glob(f"*/{RECORDINGS}")) if split_of_folder(path.parent.name)]


def read_kaldi(lists: Sequence[Path]) -> Iterator[ListedRow]:
    """Yield a row for each utterance of Kaldi data folders, also for those that lack a recording or a transcript.

    Raises:
        InputError: a line cannot be used, a command in wav.scp among others.
    """
    for path in lists:
        folder, split = path.parent, split_of_folder(path.parent.name)
        recordings = {key: _recording(value, path, key) for key, value in _read_map(path).items()}
        texts, speakers, segments = (_read_map(folder / name) for name in FILES[1:])
        utterances: dict[str, tuple[Any, ...]] = {key: (key, None, None) for key in recordings}
        if (folder / "segments").is_file():
            utterances = {key: _segment(value, folder / "segments", key) for key, value in segments.items()}
        for key in dict.fromkeys([*utterances, *texts]):
            recording, start_s, end_s = utterances.get(key, (None, None, None))
            sound = recordings.get(recording)
            # Without speakers, the segments of a recording are kept in one split by its name.
            named = {"name": key, "audio": sound if key in speakers or not segments else sound and str(sound)}
            about = {"text": texts.get(key), "speaker": speakers.get(key), "split": split}
            yield ListedRow({**named, **about, "start": start_s, "end": end_s}, folder)


def _read_map(path: Path) -> dict[str, str]:
    """Return the lines of a file by their first field; none if there is no such file."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path) if path.is_file() else [], start=1):
        key, *value = line.split(maxsplit=1)[:2] or [""]
        if key in found:
            raise InputError(f"{path}, line {number}, must name each utterance once; {key} is there already")
        if key:
            found[key] = value[0].strip() if value else ""
    return found


def _recording(value: str, path: Path, key: str) -> Path | None:
    """Return the file that a line of wav.scp names."""
    if value.startswith("|") or value.endswith("|"):
        raise InputError(f"{path} must name audio files; {key} is a command, which is not run: {value}")
    if IN_ARCHIVE.search(value):
        raise InputError(f"{path} must name audio files; {key} is in a Kaldi archive: {value}")
    if not value:
        return None
    # Recipes of Kaldi run two folders above the data folder, and their paths are relative to that.
    places = [folder / value for folder in (path.parent, *path.absolute().parents[1:3], Path())]
    return next((place for place in places if place.is_file()), places[0])


def _segment(value: str, path: Path, key: str) -> tuple[str, float, float | None]:
    """Return recording, start and end in seconds of a line of segments."""
    try:
        recording, start_s, end_s = value.split()
        end = float(end_s)
        return recording, float(start_s), None if end == TO_THE_END else end
    except ValueError:
        raise InputError(f"{path} must be utterance, recording, start and end a line; {key} has {value!r}") from None
