"""Sounds, and what is to be learned of them, from wherever they lie: a folder, a data set of the hub, a WebDataset.

metadata.csv, metadata.jsonl    a row a sound: its file, its text or labels, optionally split and start and end seconds
train/dog/1.wav                 without metadata: sounds in folders, whose names are labels, perhaps in those of splits
name or path                    whatever `datasets.load_dataset` or `load_from_disk` reads, streamed
shard-{000..099}.tar            WebDataset: files of one key are one sound and its text, labels or JSON
"""

from __future__ import annotations

import csv
import glob
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tarfile import TarError
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.waveform import AudioSource

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
METADATA = ("metadata.csv", "metadata.jsonl")
SOUND_COLUMNS = ("audio", "file_name", "file", "path", "sound", "video")
TEXT_COLUMNS = ("text", "caption", "captions", "texts", "sentence", "transcription", "description")
LABEL_COLUMNS = ("labels", "label", "category")
SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id")
START_COLUMNS, END_COLUMNS = ("start", "start_s", "start_time"), ("end", "end_s", "end_time")
SOUND_SUFFIXES = frozenset(
    [
        "aac",
        "ac3",
        "aif",
        "aiff",
        "amr",
        "au",
        "avi",
        "caf",
        "flac",
        "flv",
        "m4a",
        "m4v",
        "mka",
        "mkv",
        "mov",
        "mp2",
        "mp3",
        "mp4",
        "mpeg",
        "mpg",
        "oga",
        "ogg",
        "ogv",
        "opus",
        "ts",
        "wav",
        "weba",
        "webm",
        "wma",
        "wmv",
        "wv",
    ]
)
SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "validation", "eval": "validation", "evaluation": "validation",
}  # fmt: skip
"""What names of splits mean: what is not for training is to be measured on."""


@dataclass(frozen=True)
class Example:
    """A sound, not decoded yet, and what is to be learned of it.

    Attributes:
        name: by which the report tells it.
        sound: what `load_waveform` takes; None where a row has none, another fault that the report lists.
        texts: any number, as `Texts` gave them.
        split: "train" or "validation"; None: chosen by the group or, without one, by the name.
        start_s, end_s: of the part that is meant; None: to the end.
        group: what goes to one split together, such as the sounds of a speaker.
    """

    name: str
    sound: AudioSource | None
    texts: tuple[str, ...]
    split: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    group: str | None = None


Texts: TypeAlias = "Callable[[Mapping[str, Any]], tuple[str, ...]]"
"""What is to be learned of a sound, out of its row: its captions, its transcript, its classes.

Every sound comes as a row: without a list, the name of its folder stands under `labels`, and of a WebDataset its .txt
stands under `text` and its .cls under `labels`.
"""


Group: TypeAlias = "Callable[[Mapping[str, Any]], str | None]"
"""Of a row, what goes to one split together."""


def read_examples(
    data: str,
    texts: Texts,
    *,
    group: Group = lambda row: None,
    sound_column: str | None = None,
    dataset_config: str | None = None,
) -> Iterator[Example]:
    """The sounds of a data set, one after the other, in the same order whenever it is read.

    Args:
        data: a folder, the shards of a WebDataset (paths or URLs that end in .tar, with {000..099} or *), or the name
            of a data set of the hub.
        texts: of its rows.
        group: of its rows.
        sound_column: that holds file, bytes, or the Audio feature of `datasets`; None: one of the usual ones.
        dataset_config: of a data set of the hub that has several.

    Raises:
        InputError: there is no such data, or its rows have no sound.
    """
    folder, rows = Path(data), _Rows(texts, group, (sound_column,) if sound_column else SOUND_COLUMNS)
    if data.endswith(TAR_SUFFIXES):
        return _web_dataset(data, rows)
    if folder.is_file():
        raise InputError(f"data must be a folder, shards (.tar) or a data set's name; {data} is a file")
    metadata = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(metadata) > 1:
        raise InputError(f"data must have one list of its sounds; {data} has {' and '.join(METADATA)}")
    if metadata:
        return _listed(metadata[0], rows)
    if folder.is_dir() and not any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
        sounds = sorted(path for path in folder.rglob("*") if path.suffix[1:].lower() in SOUND_SUFFIXES)
        if sounds:
            return (_in_folders(path, folder, rows) for path in sounds)
    return _data_set(data, rows, dataset_config)


def fingerprint(data: str, dataset_config: str | None = None) -> str:
    """Changes when the data does: by names, sizes and times of files, or by the version of a data set of the hub.

    What a list names outside of its folder is not looked at.
    """
    path = Path(data)
    if path.is_dir():
        files = sorted(path.rglob("*"))
    elif data.endswith(TAR_SUFFIXES):
        files = [Path(each) for each in _shards(data)]
    else:
        return f"{data}/{dataset_config}/{_hub_version(data)}"
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return f"{data}: {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]}"


def _hub_version(data: str) -> str | None:
    """The commit of a data set, where the hub can be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        return HfApi().dataset_info(data).sha
    except (HFValidationError, OSError):
        return None


def _listed(metadata: Path, rows: _Rows) -> Iterator[Example]:
    """Rows of one file and part are one sound with several texts."""
    try:
        text = metadata.read_text(encoding="utf-8-sig")
        listed: Iterable[Mapping[str, Any]]
        if metadata.suffix == ".csv":
            listed = csv.DictReader(io.StringIO(text, newline=""))
        else:
            listed = [json.loads(line) for line in text.splitlines() if line.strip()]
        merged: dict[tuple[Any, ...], Example] = {}
        for row in map(_checked_row, listed):
            example = rows.example(row, folder=metadata.parent)
            key = (example.name, example.start_s, example.end_s)
            before = merged.setdefault(key, example)
            if before.split != example.split:
                raise InputError(f"data must put a sound in one split; {example.name} is in two of {metadata}")
            merged[key] = replace(before, texts=tuple(dict.fromkeys(before.texts + example.texts)))
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InputError(f"data must be listed in UTF-8; {metadata} cannot be read: {error}") from None
    if not merged:
        raise InputError(f"data must hold sounds; {metadata} lists none")
    return iter(merged.values())


def _in_folders(path: Path, folder: Path, rows: _Rows) -> Example:
    """train/dog/1.wav is a sound of the label dog."""
    parts = path.relative_to(folder).parts[:-1]
    split = SPLITS.get(parts[0].lower()) if parts else None
    labels = parts[1 if split else 0 :]
    row: dict[str, Any] = {"audio": path, "labels": labels[-1:]}
    return Example(
        name=str(path.relative_to(folder)),
        sound=path,
        texts=rows.texts(row),
        split=split,
        group=rows.group(row),
    )


@dataclass(frozen=True)
class _Rows:
    """How rows are read."""

    texts: Texts
    group: Group
    sound_columns: Sequence[str]

    def example(self, row: Mapping[str, Any], *, folder: Path | None = None) -> Example:
        sound = first_of(row, self.sound_columns)
        if not any(each in row for each in self.sound_columns):
            wanted = " or ".join(self.sound_columns)
            raise InputError(f"data must have a column {wanted} with the sound; it has {', '.join(map(str, row))}")
        name = str(row.get("name") or row.get("id") or "")
        if isinstance(sound, Mapping):  # of the feature Audio
            name = str(sound.get("path") or name)
            sound = sound["path"] if sound.get("bytes") is None else sound["bytes"]
        elif isinstance(sound, str):
            name = sound
            if folder is not None and "://" not in sound:
                sound = folder / sound
        return Example(
            name=name,
            sound=sound,
            start_s=seconds_of(row, START_COLUMNS, name) or 0.0,
            end_s=seconds_of(row, END_COLUMNS, name),
            texts=self.texts(row),
            split=_split(row.get("split")),
            group=self.group(row),
        )


def _web_dataset(shards: str, rows: _Rows) -> Iterator[Example]:
    """Files of a key: a sound, and .txt (a text a line), .json (a row) or .cls (labels)."""
    urls = _shards(shards)
    if not urls:
        raise InputError(f"data must be shards that exist; there are none of {shards}")
    from webdataset import WebDataset  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]

    return _read_shards(WebDataset(urls, shardshuffle=False, empty_check=False), shards, rows)


def _shards(pattern: str) -> list[str]:
    """Paths or URLs, out of a pattern of them."""
    try:
        from webdataset.shardlists import expand_urls
    except ImportError:
        raise InputError("data as WebDataset needs webdataset: pip install 'photism[train]'") from None
    return sorted(glob.glob(pattern)) if "*" in pattern else expand_urls(pattern)


def _read_shards(shards: Iterable[Mapping[str, Any]], name: str, rows: _Rows) -> Iterator[Example]:
    try:
        yield from (rows.example(_row_of_files(files)) for files in shards)
    except (OSError, TarError, ValueError) as error:  # of Unicode and of JSON are ValueErrors
        if isinstance(error, InputError):
            raise
        raise InputError(f"data must be whole shards of texts in UTF-8 and of JSON; {name}: {error}") from None


def _row_of_files(files: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"audio": None}
    for suffix, content in files.items():
        if suffix.rpartition(".")[2].lower() in SOUND_SUFFIXES:
            row["audio"] = content
        elif suffix in ("txt", "text", "caption"):
            row["text"] = [line for line in content.decode("utf8").splitlines() if line.strip()]
        elif suffix == "cls":
            row["labels"] = content.decode("utf8").strip()
        elif suffix == "json":
            row = {**_checked_row(json.loads(content)), **row}
    return {**row, "name": files["__key__"]}


def _checked_row(row: Any) -> Mapping[str, Any]:
    """Of JSON, which may be anything."""
    if not isinstance(row, Mapping):
        raise InputError(f"data must tell a sound by an object of names and values; got {row!r}")
    return cast("Mapping[str, Any]", row)


def _data_set(data: str, rows: _Rows, config: str | None) -> Iterator[Example]:
    try:
        import datasets
    except ImportError:
        raise InputError("data as a data set needs datasets: pip install 'photism[train]'") from None
    try:
        if Path(data).is_dir() and any(Path(data, name).is_file() for name in ("dataset_dict.json", "state.json")):
            loaded: Any = datasets.load_from_disk(data)
        else:
            loaded = datasets.load_dataset(data, config, streaming=True)
    except Exception as error:  # datasets has dozens of errors, of all kinds
        reason = str(error).partition("\n")[0]
        raise InputError(f"data must be a folder of sounds or a data set; {data} cannot be loaded: {reason}") from None
    splits: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"": loaded}
    return chain.from_iterable(_of_split(split, name, rows) for name, split in splits.items())


def _of_split(data: Any, split: str, rows: _Rows) -> Iterator[Example]:
    from datasets import Audio, ClassLabel

    features: Mapping[str, Any] = data.features or {}
    for name, feature in features.items():
        if isinstance(feature, Audio):  # we decode ourselves: datasets would want FFmpeg on the system
            data = data.cast_column(name, Audio(decode=False))
    labels = {name: getattr(feature, "feature", feature) for name, feature in features.items()}  # of a list, its items'
    classes = {name: feature for name, feature in labels.items() if isinstance(feature, ClassLabel)}
    for index, row in enumerate(data):
        named = {**row, **{name: _class_names(feature, row[name]) for name, feature in classes.items()}}
        yield rows.example({"split": split, "name": f"{split}/{index}", **named})


def _class_names(feature: Any, numbers: Any) -> list[str]:
    """Of one class or a list of them; a number below 0 says that there is none."""
    given = numbers if isinstance(numbers, list) else [numbers]
    return [feature.int2str(number) for number in given if number is not None and number >= 0]


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """What a row holds under the first of the names under which it holds anything."""
    return next((row[name] for name in names if row.get(name) is not None and row[name] != ""), None)


def _split(name: Any) -> str | None:
    if not name:
        return None
    split = SPLITS.get(str(name).lower())
    if split is None:
        raise InputError(f"split must be one of {', '.join(SPLITS)}; got {name}")
    return split


def seconds_of(row: Mapping[str, Any], names: Sequence[str], sound: str) -> float | None:
    """Of a row, what stands under the first of the names; None where nothing does.

    Args:
        row: of a sound.
        names: of its columns.
        sound: what an error calls it.

    Raises:
        InputError: it is no number.
    """
    value = first_of(row, names)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        raise InputError(f"{names[0]} must be seconds; {sound} has {value!r}") from None
