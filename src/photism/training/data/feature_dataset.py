"""Sounds as training wants them: their features on disk, each within reach.

    clips-00000.jsonl    what is known of each sound: name, texts, split, where its features begin, their number
    features-00000       the features, float16 (tokens, num_mel_bins · stride), memory-mapped: 58 MB an hour of sound
    corpus.json          how the features were made, and what could not be read; written last

A shard is complete or absent, so that preparing goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.log_mel import FRAMES_PER_S


@dataclass(frozen=True)
class FeatureSettings:
    """Of `log_mel`, as the encoder wants its features.

    Attributes:
        num_mel_bins: of a frame.
        stride: frames in a token.
    """

    num_mel_bins: int = 80
    stride: int = 2

    @property
    def width(self) -> int:
        """Numbers in a token."""
        return self.num_mel_bins * self.stride

    @property
    def tokens_per_s(self) -> float:
        """Tokens of a second of sound."""
        return FRAMES_PER_S / self.stride


@dataclass(frozen=True)
class Clip:
    """What is known of a sound.

    Attributes:
        name: where it is from.
        texts: what is to be learned of it, as `Example` has them.
        split: "train" or "validation".
        duration_s: in seconds.
        digest: of its samples: equal for equal sounds.
        group: as `Example` has it.
        start, tokens: where its features are in its shard.
    """

    name: str
    texts: tuple[str, ...]
    split: str
    duration_s: float
    digest: str
    start: int
    tokens: int
    group: str | None = None


class Corpus:
    """Prepared sounds.

    Attributes:
        clips: all of them, in the order in which they were read.
        unreadable: name and reason of each sound that was left out.
        settings: of the features.
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
        """Indices of the clips of "train" or "validation"."""
        return [index for index, clip in enumerate(self.clips) if clip.split == name]

    def features(self, index: int, start: int = 0, tokens: int | None = None) -> NDArray[np.float16]:
        """(tokens, width) of a clip, or of a part of it."""
        clip = self.clips[index]
        stop = clip.tokens if tokens is None else min(clip.tokens, start + tokens)
        return self._shards[self._shard_of[index]][clip.start + start : clip.start + stop]

    def batch(self, parts: Iterable[tuple[int, int, int | None]]) -> tuple[Tensor, Tensor]:
        """Features float32 (B, F, width), zero where there are none, and their mask int64 (B, F).

        Args:
            parts: of each clip its index, and the first token and the number of them, None for all.
        """
        each = [self.features(*part) for part in parts]
        features = torch.zeros(len(each), max(map(len, each)), self.settings.width)
        mask = torch.zeros(features.shape[:2], dtype=torch.long)
        for row, found in enumerate(each):
            features[row, : len(found)] = torch.from_numpy(found.astype(np.float32))
            mask[row, : len(found)] = 1
        return features, mask


def evenly(clips: Sequence[int], most: int) -> list[int]:
    """As many clips at most, spread over all of them."""
    step = max(1.0, len(clips) / most)
    return [clips[int(number * step)] for number in range(min(most, len(clips)))]


def read_clips(path: Path) -> list[Clip]:
    """Of a shard."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    return [Clip(texts=tuple(row.pop("texts")), **row) for row in rows]


def clips_path(folder: Path, shard: int) -> Path:
    """Where a shard tells its clips; with this file it is complete."""
    return folder / f"clips-{shard:05}.jsonl"


def features_path(folder: Path, shard: int) -> Path:
    """Where a shard has the features."""
    return folder / f"features-{shard:05}"
