"""Readers of published speech corpora as they are unpacked: Common Voice, LJSpeech, LibriSpeech and MLS.

clips/, train.tsv, dev.tsv, test.tsv    Common Voice; validated.tsv is read if there is no list of a split
wavs/, metadata.csv                     LJSpeech: name|transcript|normalised transcript, without a header
train-clean-100/84/121123/*.trans.txt   LibriSpeech: a name and its transcript a line
train/transcripts.txt, train/audio      Multilingual LibriSpeech (MLS): a name, a tab and its transcript a line
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from photism.errors import InputError
from photism.manifest.recognition import SOUND_SUFFIXES
from photism.manifest.tables import read_lines, read_table
from photism.training.data.example import ListedRow, split_of_folder

COMMON_VOICE_SPLITS = ("train.tsv", "dev.tsv", "test.tsv")
USUAL_SUFFIXES = (".wav", ".flac", ".mp3", ".opus", ".ogg")


def find_common_voice(folder: Path) -> list[Path]:
    """Return the lists of a folder of Common Voice that are read; none if it is not one."""
    if not (folder / "clips").is_dir():
        return []
    splits = [folder / name for name in COMMON_VOICE_SPLITS if (folder / name).is_file()]
    return splits or [path for path in [folder / "validated.tsv"] if path.is_file()]


def read_common_voice(lists: Sequence[Path]) -> Iterator[ListedRow]:
    """Yield the rows of lists of Common Voice, in which double quotes are part of the text."""
    for path in lists:
        split = split_of_folder(path.stem)
        for row in read_table(path, delimiter="\t", quoted=False):
            clip = row.get("path", "")
            row = {**row, "path": clip if not clip or Path(clip).suffix else f"{clip}.mp3"}
            yield ListedRow({**row, "split": split}, path.parent / "clips")


def find_ljspeech(folder: Path) -> list[Path]:
    """Return the list of a folder like LJSpeech; none if it is not one."""
    path = folder / "metadata.csv"
    if not (folder / "wavs").is_dir() or not path.is_file():
        return []
    name, *texts = next(read_lines(path)).split("|")
    is_name = texts and _existing(folder, f"wavs/{name}", name) is not None
    return [path] if is_name else []


def read_ljspeech(lists: Sequence[Path]) -> Iterator[ListedRow]:
    """Yield the rows of a list of LJSpeech; the normalised transcript is used where there is one."""
    for path in lists:
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            name, *texts = line.split("|")
            if not 1 <= len(texts) <= 2:
                raise InputError(
                    f"{path}, line {number}, must be name|transcript or name|transcript|normalised transcript; "
                    f"it has {len(texts) + 1} fields"
                )
            file = _existing(path.parent, f"wavs/{name}", name) or f"wavs/{name}.wav"
            yield ListedRow({"file_name": file, "text": texts[-1].strip() or texts[0]}, path.parent)


def find_librispeech(folder: Path) -> list[Path]:
    """Return the lists of transcripts in a folder of LibriSpeech."""
    return sorted(folder.rglob("*.trans.txt"))


def read_librispeech(lists: Sequence[Path]) -> Iterator[ListedRow]:
    """Yield the rows of lists of LibriSpeech, whose names begin with the number of the speaker."""
    for path in lists:
        split = next(filter(None, map(split_of_folder, reversed(path.parts[:-1]))), None)
        for name, text in _named_lines(path, " "):
            file = _existing(path.parent, name) or f"{name}.flac"
            row = {"file_name": file, "text": text, "speaker": name.partition("-")[0], "split": split}
            yield ListedRow(row, path.parent)


def find_mls(folder: Path) -> list[Path]:
    """Return the lists of transcripts of a folder of MLS, or of one of its splits."""
    lists = [folder / "transcripts.txt", *sorted(folder.glob("*/transcripts.txt"))]
    return [path for path in lists if path.is_file() and (path.parent / "audio").is_dir()]


def read_mls(lists: Sequence[Path]) -> Iterator[ListedRow]:
    """Yield the rows of lists of MLS, whose names are speaker, book and number."""
    for path in lists:
        split = split_of_folder(path.parent.name)
        for name, text in _named_lines(path, "\t"):
            speaker, *book = name.split("_")[:2]
            file = "/".join(["audio", speaker, *book, name])
            row = {"file_name": _existing(path.parent, file) or f"{file}.flac", "text": text}
            yield ListedRow({**row, "speaker": speaker, "split": split}, path.parent)


def _named_lines(path: Path, separator: str) -> Iterator[tuple[str, str]]:
    for line in read_lines(path):
        name, _, text = line.strip().partition(separator)
        if name:
            yield name, text


def _existing(folder: Path, *names: str) -> str | None:
    """Return the first of some names that is a file, as it is or with one of the usual suffixes."""
    for name in names:
        has_suffix = Path(name).suffix[1:].lower() in SOUND_SUFFIXES
        for suffix in ("",) if has_suffix else USUAL_SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return f"{name}{suffix}"
    return None
