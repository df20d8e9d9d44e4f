"""Log-mel features of a data set on disk, memory-mapped.

    clips-00000.jsonl    a line a clip: name, texts, split, where its features begin, and their number
    features-00000       features, float16 (tokens, num_mel_bins · stride): 58 MB an hour of audio
    corpus.json          settings of the features, and unreadable recordings; written last

A shard is complete or absent, so that an interrupted preparation resumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.feature_settings import FeatureSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Clip:
    """A clip of a data set. The names of its fields are those in the files of a data set.

    Attributes:
        name: name of the recording.
        texts: targets of the clip as texts.
        split: "train" or "validation".
        duration_s: length in seconds.
        digest: hash of its samples, equal for equal audio.
        start: first token of its features within the shard.
        tokens: number of tokens.
        group: clips of one group are in one split; None for none.
        columns: columns of the data from which the targets were read; empty if they were not in columns.
        unused_columns: columns that held targets as well, but were not used.
    """

    name: str
    texts: tuple[str, ...]
    split: str
    duration_s: float
    digest: str
    start: int
    tokens: int
    group: str | None = None
    columns: Sequence[str] = ()
    unused_columns: Sequence[str] = ()


class FeatureDataset:
    """Prepared features of a data set.

    Args:
        folder: folder written by `prepare_dataset`.

    Attributes:
        clips: clips in the order in which they were read.
        unreadable: name and reason of each recording that was skipped.
        settings: settings of the features.
    """

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "corpus.json").read_text(encoding="utf8"))
        self.settings = FeatureSettings(**about["features"])
        self.unreadable: list[tuple[str, str]] = [(name, reason) for name, reason in about["unreadable"]]
        self.clips: list[Clip] = []
        self._shards: list[NDArray[np.float16]] = []
        self._shard_of: list[int] = []
        for index in range(about["shards"]):
            clips = read_clips(clips_path(folder, index))
            self._shard_of += [index] * len(clips)
            self.clips += clips
            features: NDArray[np.float16] = np.zeros((0, self.settings.width), np.float16)
            if clips:  # an empty file cannot be mapped
                features = np.memmap(features_path(folder, index), np.float16, mode="r").reshape(
                    -1, self.settings.width
                )
            self._shards.append(features)

    def __len__(self) -> int:
        return len(self.clips)

    def split(self, name: str) -> list[int]:
        """Return the indices of the clips of "train" or "validation"."""
        return [index for index, clip in enumerate(self.clips) if clip.split == name]

    def features(self, index: int, start: int = 0, tokens: int | None = None) -> NDArray[np.float16]:
        """Return features (tokens, width) of a clip, or of a segment of it."""
        clip = self.clips[index]
        stop = clip.tokens if tokens is None else min(clip.tokens, start + tokens)
        return self._shards[self._shard_of[index]][clip.start + start : clip.start + stop]

    def batch(self, segments: Iterable[tuple[int, int, int | None]]) -> tuple[Tensor, Tensor]:
        """Return features float32 (B, F, width), 0 for padding, and their mask int64 (B, F).

        Args:
            segments: index of the clip, first token and number of tokens, None for all, of each row.
        """
        rows = [self.features(*segment) for segment in segments]
        features = torch.zeros(len(rows), max(map(len, rows)), self.settings.width)
        mask = torch.zeros(features.shape[:2], dtype=torch.long)
        for index, row in enumerate(rows):
            features[index, : len(row)] = torch.from_numpy(row.astype(np.float32))
            mask[index, : len(row)] = 1
        return features, mask


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items, evenly spaced over all of them."""
    step = max(1.0, len(items) / count)
    return [items[int(number * step)] for number in range(min(count, len(items)))]


def read_clips(path: Path) -> list[Clip]:
    """Return the clips of a shard."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf8").split("\n") if line]
    return [Clip(texts=tuple(row.pop("texts")), **row) for row in rows]


def clips_path(folder: Path, shard: int) -> Path:
    """Return the file of a shard's clips, with which the shard is complete."""
    return folder / f"clips-{shard:05}.jsonl"


def features_path(folder: Path, shard: int) -> Path:
    """Return the file of a shard's features."""
    return folder / f"features-{shard:05}"
