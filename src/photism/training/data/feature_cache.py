"""From sounds to a corpus: decoded once, in parallel, and gone on with where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.log_mel import log_mel
from photism.audio.waveform import SAMPLING_RATE, Waveform, load_waveform
from photism.errors import InputError
from photism.files import atomic_path
from photism.training.data.cache import cache_folder, lock
from photism.training.data.feature_dataset import Clip, Corpus, FeatureSettings, clips_path, features_path, read_clips
from photism.training.data.readers import Example

SHARD_CLIPS = 2000
DECODED_AT_ONCE = 32
SPLIT_STEPS = 10_000
LISTED_UNREADABLE = 10


def cached_corpus(
    examples: Iterable[Example],
    about: Mapping[str, Any],
    *,
    settings: FeatureSettings,
    text: str | None,
    validation_share: float,
    max_unreadable: float,
    limit: int | None,
    on_clip: Callable[[float], None],
) -> Corpus:
    """A corpus in the cache, prepared by the process that comes first, while the others wait and then find it done.

    Args:
        examples: as for `prepare_corpus`, and what follows.
        about: what decides which examples these are and what is learned of them; another corpus has another.
        settings: of the features.
        text: what a sound must have, or None.
        validation_share: kept from training.
        max_unreadable: share that may fail.
        limit: of the examples.
        on_clip: is told the hours.
    """
    known = {**about, "features": asdict(settings), "validation_share": validation_share, "limit": limit}
    key = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=12).hexdigest()
    folder = cache_folder() / "corpora"
    with lock(folder / f"{key}.lock"):
        return prepare_corpus(
            examples,
            folder / key,
            settings=settings,
            text=text,
            validation_share=validation_share,
            max_unreadable=max_unreadable,
            limit=limit,
            on_clip=on_clip,
        )


def prepare_corpus(
    examples: Iterable[Example],
    folder: Path,
    *,
    settings: FeatureSettings,
    text: str | None = "text",
    validation_share: float = 0.05,
    max_unreadable: float = 0.05,
    limit: int | None = None,
    on_clip: Callable[[float], None] = lambda hours: None,
) -> Corpus:
    """Decodes sounds and keeps their features.

    Args:
        examples: in the same order each time: those of complete shards are not decoded again.
        folder: where the corpus is or comes to be.
        settings: of the features.
        text: what a sound that has no texts lacks, such as "caption"; None: none are needed.
        validation_share: of the sounds without a split, chosen by group or name, that are kept from training; all parts
            of a file, and all sounds of one group, go together.
        max_unreadable: share of the sounds that may fail before it is taken for a mistake.
        limit: of the examples to read; None: all.
        on_clip: is told the hours decoded so far.

    Raises:
        InputError: more sounds than `max_unreadable` cannot be read, or none can.
    """
    if (folder / "corpus.json").is_file():
        corpus = Corpus(folder)
        _check_unreadable(corpus.unreadable, len(corpus) + len(corpus.unreadable), max_unreadable)
        return corpus
    folder.mkdir(parents=True, exist_ok=True)
    stream = iter(islice(examples, limit))
    unreadable: list[tuple[str, str]] = []
    shard, seen, hours = 0, 0, 0.0
    while clips_path(folder, shard).is_file():
        about = json.loads(_unreadable_path(folder, shard).read_text(encoding="utf8"))
        unreadable += [tuple(each) for each in about["unreadable"]]
        seen += about["examples"]
        hours += sum(clip.duration_s for clip in read_clips(clips_path(folder, shard))) / 3600
        shard += 1
    skipped = sum(1 for _ in islice(stream, seen))
    if skipped != seen:
        raise InputError(f"data has changed since {folder} was begun: it had {seen} sounds at least; delete the folder")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while group := list(islice(stream, SHARD_CLIPS)):
            clips, failed = _write_features(
                group,
                folder,
                shard,
                partial(_hear, settings=settings, text=text),
                validation_share,
                pool,
                lambda s, before=hours: on_clip(before + s / 3600),
            )
            unreadable += failed
            seen += len(group)
            hours += sum(clip.duration_s for clip in clips) / 3600
            _check_unreadable(unreadable, seen, max_unreadable)  # first: what was out of reach is tried again
            _complete_shard(folder, shard, clips, failed)
            shard += 1
    _check_unreadable(unreadable, seen, max_unreadable)  # of shards that another share was allowed
    if seen == len(unreadable):
        raise InputError(
            "data must hold sounds that can be read; " + _told(unreadable) if seen else "data holds no sounds"
        )
    about = {"features": asdict(settings), "unreadable": unreadable, "shards": shard}
    _write(folder / "corpus.json", json.dumps(about, ensure_ascii=False).encode())
    return Corpus(folder)


def _write_features(
    group: list[Example],
    folder: Path,
    shard: int,
    hear: Callable[[Example], _Heard | str],
    validation_share: float,
    pool: ThreadPoolExecutor,
    on_length: Callable[[float], None],
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """The sounds whose features are written, and those that failed."""
    clips: list[Clip] = []
    failed: list[tuple[str, str]] = []
    start, length_s = 0, 0.0
    with atomic_path(features_path(folder, shard), sole_writer=True) as part, part.open("wb") as file:
        for examples in _groups(group, DECODED_AT_ONCE):
            for example, found in zip(examples, pool.map(hear, examples), strict=True):
                if isinstance(found, str):
                    failed.append((example.name, found))
                    continue
                file.write(found.features.tobytes())
                clips.append(
                    Clip(
                        name=example.name,
                        texts=example.texts,
                        split=example.split or _split_of(example.group or example.name, validation_share),
                        duration_s=found.duration_s,
                        digest=found.digest,
                        start=start,
                        tokens=len(found.features),
                        group=example.group,
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
    _write(_unreadable_path(folder, shard), json.dumps(about, ensure_ascii=False).encode())
    lines = "".join(json.dumps(asdict(clip), ensure_ascii=False) + "\n" for clip in clips)
    _write(clips_path(folder, shard), lines.encode())  # last: with it the shard is complete


@dataclass(frozen=True)
class _Heard:
    features: NDArray[np.float16]
    duration_s: float
    digest: str


def _hear(example: Example, settings: FeatureSettings, text: str | None) -> _Heard | str:
    """What an example sounds like, or why that cannot be told."""
    if example.sound is None:
        return "it has no sound"
    if text and not example.texts:
        return f"it has no {text}"
    try:
        waveform = _part(load_waveform(example.sound), example)
    except InputError as error:
        return str(error)
    features, mask = log_mel([waveform], num_mel_bins=settings.num_mel_bins, stride=settings.stride)
    digest = hashlib.blake2b(waveform.samples.tobytes(), digest_size=12).hexdigest()
    return _Heard(features[0, : int(mask.sum())].half().numpy(), waveform.duration_s, digest)


def _part(waveform: Waveform, example: Example) -> Waveform:
    if example.start_s == 0 and example.end_s is None:
        return waveform
    end_s = waveform.duration_s if example.end_s is None else example.end_s
    if not 0 <= example.start_s < min(end_s, waveform.duration_s):
        raise InputError(
            f"start and end must lie within the {waveform.duration_s:.2f} s of the sound; "
            f"got {example.start_s:g} to {end_s:g}"
        )
    return Waveform(waveform.samples[int(example.start_s * SAMPLING_RATE) : int(end_s * SAMPLING_RATE)])


def _split_of(name: str, validation_share: float) -> str:
    """By the name alone, so that it is the same tomorrow, and on another machine."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") % SPLIT_STEPS
    return "validation" if number < validation_share * SPLIT_STEPS else "train"


def _check_unreadable(unreadable: list[tuple[str, str]], seen: int, share: float) -> None:
    if len(unreadable) > share * seen:
        raise InputError(
            f"data has {len(unreadable)} sounds of {seen} that cannot be read, more than max_unreadable={share:g} "
            f"allows: {_told(unreadable)}"
        )


def _told(unreadable: list[tuple[str, str]]) -> str:
    told = [f"{name}: {reason}" for name, reason in unreadable[:LISTED_UNREADABLE]]
    return "; ".join(told) + ("; …" if len(unreadable) > LISTED_UNREADABLE else "")


def _groups(examples: list[Example], size: int) -> Iterator[list[Example]]:
    return (examples[start : start + size] for start in range(0, len(examples), size))


def _unreadable_path(folder: Path, shard: int) -> Path:
    return folder / f"unreadable-{shard:05}.json"


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path, sole_writer=True) as part:
        part.write_bytes(content)
