"""Feature cache: decode recordings once, in parallel, and resume an interrupted preparation."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.log_mel import log_mel
from photism.audio.sources import SoundFile
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform
from photism.errors import InputError
from photism.files import as_utf8, atomic_path
from photism.training.data.example import Example
from photism.training.data.feature_dataset import (
    Clip,
    FeatureDataset,
    FeatureSettings,
    clips_path,
    features_path,
    read_clips,
)
from photism.user_cache import cache_folder

SHARD_CLIPS = 2000
DECODED_AT_ONCE = 32
SPLIT_STEPS = 10_000
MAX_LISTED = 10
"""Unreadable recordings that an error message lists."""


@dataclass(frozen=True)
class PreparationSettings:
    """Which recordings a prepared data set holds, and how.

    Attributes:
        features: settings of the features.
        required: what a recording without texts lacks, such as "caption"; None if it needs none.
        validation_share: fraction of the recordings without a split that is used for validation, chosen by group or
            name: all segments of a file, and all recordings of a group, are in one split.
        max_unreadable: fraction of the recordings that may be unreadable; more are taken for a mistake.
        limit: number of recordings to read; None for all.
    """

    features: FeatureSettings
    required: str | None = "text"
    validation_share: float = 0.05
    max_unreadable: float = 0.05
    limit: int | None = None


@contextmanager
def lock(path: Path) -> Generator[None]:
    """Hold a file lock: the process that comes first works, while the others wait."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def cached_dataset(
    examples: Iterable[Example],
    key: Mapping[str, Any],
    settings: PreparationSettings,
    *,
    on_hours: Callable[[float], None],
) -> FeatureDataset:
    """Return a data set from the cache, where the process that comes first prepares it.

    Args:
        examples: recordings, in the same order each time.
        key: what decides which examples these are, and their texts.
        settings: settings of the preparation.
        on_hours: called with the hours of audio decoded so far.
    """
    known = {
        **key,
        "features": asdict(settings.features),
        "validation_share": settings.validation_share,
        "limit": settings.limit,
    }
    name = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=12).hexdigest()
    folder = cache_folder() / "corpora"
    with lock(folder / f"{name}.lock"):
        return prepare_dataset(examples, folder / name, settings, on_hours=on_hours)


def prepare_dataset(
    examples: Iterable[Example],
    folder: Path,
    settings: PreparationSettings,
    *,
    on_hours: Callable[[float], None] = lambda hours: None,
) -> FeatureDataset:
    """Decode recordings and write their features; do nothing if that is done.

    Args:
        examples: recordings, in the same order each time: those of complete shards are not decoded again.
        folder: folder of the data set.
        settings: settings of the preparation.
        on_hours: called with the hours of audio decoded so far.

    Raises:
        InputError: more recordings than `max_unreadable` are unreadable, or all of them.
    """
    if (folder / "corpus.json").is_file():
        dataset = FeatureDataset(folder)
        _check_unreadable(dataset.unreadable, len(dataset) + len(dataset.unreadable), settings.max_unreadable)
        return dataset
    folder.mkdir(parents=True, exist_ok=True)
    stream = iter(islice(examples, settings.limit))
    unreadable: list[tuple[str, str]] = []
    shard, seen, hours = 0, 0, 0.0
    while clips_path(folder, shard).is_file():
        about = json.loads(_unreadable_path(folder, shard).read_text(encoding="utf8"))
        unreadable += [tuple(each) for each in about["unreadable"]]
        seen += about["examples"]
        hours += sum(clip.duration_s for clip in read_clips(clips_path(folder, shard))) / 3600
        shard += 1
    if sum(1 for _ in islice(stream, seen)) != seen:
        raise InputError(f"data changed while {folder} was being prepared: it had {seen} recordings; delete the folder")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while group := list(islice(stream, SHARD_CLIPS)):
            clips, failed = _write_features(
                group, folder, shard, settings, pool, lambda s, before=hours: on_hours(before + s / 3600)
            )
            unreadable += failed
            seen += len(group)
            hours += sum(clip.duration_s for clip in clips) / 3600
            _check_unreadable(unreadable, seen, settings.max_unreadable)  # before the shard is complete, to try again
            _complete_shard(folder, shard, clips, failed)
            shard += 1
    _check_unreadable(unreadable, seen, settings.max_unreadable)  # earlier shards may have been allowed more
    if seen == len(unreadable):
        raise InputError(
            f"data has no readable recordings: {_listed(unreadable)}" if seen else "data has no recordings"
        )
    about = {"features": asdict(settings.features), "unreadable": unreadable, "shards": shard}
    _write(folder / "corpus.json", json.dumps(about, ensure_ascii=False))
    return FeatureDataset(folder)


@dataclass(frozen=True)
class _Features:
    """Features of an example."""

    features: NDArray[np.float16]
    duration_s: float
    digest: str


def _write_features(
    group: list[Example],
    folder: Path,
    shard: int,
    settings: PreparationSettings,
    pool: ThreadPoolExecutor,
    on_length: Callable[[float], None],
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """Write the features of a shard; return its clips, and name and reason of the unreadable examples."""
    clips: list[Clip] = []
    failed: list[tuple[str, str]] = []
    start, length_s = 0, 0.0
    with atomic_path(features_path(folder, shard), sole_writer=True) as part, part.open("wb") as file:
        for examples in _groups(group, DECODED_AT_ONCE):
            results = pool.map(partial(_extract_features, settings=settings), examples)
            for example, found in zip(examples, results, strict=True):
                if isinstance(found, str):
                    failed.append((example.name, found))
                    continue
                file.write(found.features.tobytes())
                clips.append(
                    Clip(
                        name=example.name,
                        texts=example.texts,
                        split=example.split or _split_of(example.group or example.name, settings.validation_share),
                        duration_s=found.duration_s,
                        digest=found.digest,
                        start=start,
                        tokens=len(found.features),
                        group=example.group,
                        columns=example.columns.used,
                        unused_columns=example.columns.unused,
                    )
                )
                start += len(found.features)
                length_s += found.duration_s
            on_length(length_s)
        file.flush()
        os.fsync(file.fileno())
    return clips, failed


def _complete_shard(folder: Path, shard: int, clips: list[Clip], failed: list[tuple[str, str]]) -> None:
    about = {"examples": len(clips) + len(failed), "unreadable": failed}
    _write(_unreadable_path(folder, shard), json.dumps(about, ensure_ascii=False))
    lines = "".join(json.dumps(asdict(clip), ensure_ascii=False) + "\n" for clip in clips)
    _write(clips_path(folder, shard), lines)  # last, since it marks the shard as complete


def _extract_features(example: Example, settings: PreparationSettings) -> _Features | str:
    """Return the features of an example, or why it cannot be used."""
    if example.sound is None:
        return "it has no recording"
    if settings.required and not example.texts:
        return f"it has no {settings.required}"
    try:
        waveform = _load_segment(example.sound, example)
    except InputError as error:
        return str(error)
    kind = settings.features
    features, mask = log_mel([waveform], num_mel_bins=kind.num_mel_bins, stride=kind.stride)
    digest = hashlib.blake2b(waveform.samples.tobytes(), digest_size=12).hexdigest()
    return _Features(features[0, : int(mask.sum())].half().numpy(), waveform.duration_s, digest)


def _load_segment(sound: AudioSource, example: Example) -> Waveform:
    """Return the segment of a recording that an example names. Of a file no more than that is decoded."""
    if isinstance(sound, str | Path | bytes):
        sound = SoundFile(sound)
    if isinstance(sound, SoundFile):
        return load_waveform(replace(sound, start_s=example.start_s, end_s=example.end_s))
    waveform = load_waveform(sound)
    end_s = waveform.duration_s if example.end_s is None else example.end_s
    if not 0 <= example.start_s < min(end_s, waveform.duration_s):
        raise InputError(
            f"start and end must lie within the {waveform.duration_s:.2f} s of the recording; "
            f"got {example.start_s:g} to {end_s:g}"
        )
    first, last = round(example.start_s * SAMPLING_RATE), round(end_s * SAMPLING_RATE)
    return Waveform(waveform.samples[first:last])


def _split_of(name: str, validation_share: float) -> str:
    """Return a split by the name alone, so that it is the same at any time and on any machine."""
    number = int.from_bytes(hashlib.blake2b(as_utf8(name).encode(), digest_size=8).digest(), "big") % SPLIT_STEPS
    return "validation" if number < validation_share * SPLIT_STEPS else "train"


def _check_unreadable(unreadable: list[tuple[str, str]], seen: int, max_unreadable: float) -> None:
    if len(unreadable) > max_unreadable * seen:
        raise InputError(
            f"{len(unreadable)} of the {seen} recordings in data are unreadable, more than "
            f"max_unreadable={max_unreadable:g} allows: {_listed(unreadable)}"
        )


def _listed(unreadable: list[tuple[str, str]]) -> str:
    lines = [f"{name}: {reason}" for name, reason in unreadable[:MAX_LISTED]]
    return "; ".join(lines) + ("; …" if len(unreadable) > MAX_LISTED else "")


def _groups(examples: list[Example], size: int) -> Iterator[list[Example]]:
    return (examples[start : start + size] for start in range(0, len(examples), size))


def _unreadable_path(folder: Path, shard: int) -> Path:
    return folder / f"unreadable-{shard:05}.json"


def _write(path: Path, text: str) -> None:
    with atomic_path(path, sole_writer=True) as part:
        part.write_text(as_utf8(text), encoding="utf8", newline="")
