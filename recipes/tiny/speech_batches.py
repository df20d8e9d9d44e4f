"""Batches of speech clips, with speed, vocal-tract, noise and masking augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recipes.tiny.corpus import read_captions
from recipes.tiny.speech import Speech

TOKEN_FRAMES = 4
"""Log-mel frames of 10 ms for each token: 40 ms, at half the cost of the usual 20 ms."""

POOL = 1024
"""Clips drawn and sorted by length for each batch, which is a slice of them and so needs little padding."""

LONGEST_FRAMES = 400
"""Maximum length of a training clip; the few longer ones are paragraphs."""

HUMAN_FRACTION = 0.6
"""Fraction of human recordings among the clips drawn in a language that has some; without weights, a seventh."""

SPEED = (0.78, 1.28)
WARP = (0.82, 1.2)
"""Range of the scale of the mel axis, which imitates longer and shorter vocal tracts than the few speakers'."""

SILENCE = -12.0
"""Maximum mean log-power of a silent frame. espeak-ng ends with 0.4 s of them, a third of a clip; they are removed."""

BLANK = 0


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation.

    Attributes:
        noise_prob: probability of noise in a human recording. Synthetic speech always gets noise: its pauses are
            digital silence, 25 nats and more below the speech where a room is 5 to 13 below, and normalisation would
            make that the largest difference between the two.
        noise_db: range of the signal-to-noise ratio in dB.
        mask_prob: probability that a token is masked. SpecAugment's two masks of ten would hide half of a 1 s clip.
    """

    noise_prob: float = 0.4
    noise_db: tuple[float, float] = (10.0, 45.0)
    mask_prob: float = 0.08


EASY = Augmentation()
HARD = Augmentation(noise_prob=0.8, noise_db=(0.0, 20.0), mask_prob=0.12)
"""Noise as in a room rather than in a studio."""


@dataclass(frozen=True)
class Batch:
    """A batch of clips with their targets.

    Attributes:
        input_features: log-mel tokens, (B, F, 320).
        attention_mask: (B, F).
        caption_ids: (B,).
        phonemes: the phonemes of all clips, (sum of phoneme_lengths,).
        phoneme_lengths: (B,).
    """

    input_features: Tensor
    attention_mask: Tensor
    caption_ids: Tensor
    phonemes: Tensor
    phoneme_lengths: Tensor


class SpeechBatches:
    """The clips of the training set, or with `test` those of the test set, as batches."""

    def __init__(self, speech: Speech, *, test: bool = False) -> None:
        chosen = np.array([i for i, clip in enumerate(speech.clips) if clip.is_test == test])
        clips = [speech.clips[i] for i in chosen]
        self.clips = clips
        self.starts = torch.from_numpy(speech.starts[chosen])
        self.lengths = torch.from_numpy(_lengths_without_silence(speech)[chosen])
        self.frames = torch.from_numpy(speech.frames)
        captions = {caption: index for index, caption in enumerate(read_captions())}
        self.caption_ids = torch.tensor([captions[clip.caption] for clip in clips])
        self.symbols = sorted({symbol for clip in speech.clips for symbol in clip.phonemes})
        number = {symbol: index for index, symbol in enumerate(self.symbols, start=BLANK + 1)}
        self.phonemes = [torch.tensor([number[symbol] for symbol in clip.phonemes]) for clip in clips]
        self.human = torch.tensor([clip.voice == "human" for clip in clips])
        self.weights = self._weights() * (self.lengths <= LONGEST_FRAMES)

    def _weights(self) -> Tensor:
        """Return the sampling weight of each clip, (N,): a language is drawn in proportion to its clips."""
        languages = np.array([clip.language for clip in self.clips])
        weights = torch.ones(len(self.clips))
        for language in np.unique(languages):
            spoken = torch.from_numpy(languages == language)
            people, others = spoken & self.human, spoken & ~self.human
            if people.any() and others.any():
                weights[people] = HUMAN_FRACTION * spoken.sum() / people.sum()
                weights[others] = (1 - HUMAN_FRACTION) * spoken.sum() / others.sum()
        return weights

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, batch_tokens: int, generator: torch.Generator, augmentation: Augmentation = EASY) -> Batch:
        """Draw a random augmented batch of clips of similar length with about `batch_tokens` tokens."""
        pool = torch.multinomial(self.weights, POOL, replacement=True, generator=generator)
        pool = pool[self.lengths[pool].argsort()]
        start = int(torch.randint(POOL, (), generator=generator))
        count = max(8, batch_tokens * TOKEN_FRAMES // int(self.lengths[pool[start]]))
        start = min(start, POOL - count)
        return self.make(pool[start : start + count], generator, augmentation)

    def make(
        self, chosen: Tensor, generator: torch.Generator | None = None, augmentation: Augmentation = EASY
    ) -> Batch:
        """Return a batch of the chosen clips, augmented if a generator is given."""
        mels, lengths = self._log_mels(chosen, generator)
        if generator is not None:
            prob = torch.where(self.human[chosen], augmentation.noise_prob, 1.0)
            mels = _add_noise(mels, lengths, prob, augmentation.noise_db, generator)
        mels = _normalize(mels, lengths)
        features = mels.unflatten(1, (-1, TOKEN_FRAMES)).flatten(2)  # (B, frames, 80) -> (B, F, 320)
        tokens = (lengths // TOKEN_FRAMES).clamp(min=1)
        valid = torch.arange(features.shape[1]) < tokens[:, None]
        if generator is not None:
            features = _mask(features, augmentation.mask_prob, generator)
        features = features * valid[..., None]
        phonemes = [self.phonemes[i] for i in chosen]
        return Batch(
            features,
            valid.long(),
            self.caption_ids[chosen],
            torch.cat(phonemes),
            torch.tensor([len(sequence) for sequence in phonemes]),
        )

    def _log_mels(self, chosen: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return log-mel frames (B, frames, 80), zero-padded to a multiple of 8 tokens, and their lengths (B,).

        Linear interpolation along time changes the speed, along the mel axis the vocal tract.
        """
        count, bins = len(chosen), self.frames.shape[1]
        speed, warp = torch.ones(count), torch.ones(count)
        if generator is not None:
            speed = _uniform(SPEED, count, generator)
            warp = _uniform(WARP, count, generator)
        lengths = (self.lengths[chosen] / speed).long().clamp(min=1)
        multiple = 8 * TOKEN_FRAMES
        width = math.ceil(int(lengths.max()) / multiple) * multiple
        position = torch.arange(width) * speed[:, None]
        last = (self.lengths[chosen] - 1)[:, None]
        low = position.long().clamp(max=last)
        weight = (position - low)[..., None].clamp(max=1.0)
        start = self.starts[chosen][:, None]
        mels = torch.lerp(
            self.frames[start + low].float(), self.frames[start + (low + 1).clamp(max=last)].float(), weight
        )
        if generator is not None:
            position = (torch.arange(bins) * warp[:, None]).clamp(max=bins - 1)
            low = position.long()
            weight = (position - low)[:, None, :]
            low = low[:, None, :].expand_as(mels)
            mels = torch.lerp(mels.gather(2, low), mels.gather(2, (low + 1).clamp(max=bins - 1)), weight)
        return mels, lengths


def _lengths_without_silence(speech: Speech) -> npt.NDArray[np.int64]:
    """Return the number of frames of each clip up to the last one that is not digital silence, at least one."""
    index = np.arange(len(speech.frames))
    audible = np.where(speech.frames.mean(1, dtype=np.float32) > SILENCE, index, 0)
    return np.maximum(np.maximum.reduceat(audible, speech.starts) - speech.starts, 0) + 1


def _uniform(bounds: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(count, generator=generator)


def _add_noise(
    mels: Tensor, lengths: Tensor, prob: Tensor, noise_db: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Add stationary noise with a random spectral tilt to each clip with probability `prob` (B,)."""
    count, frames, bins = mels.shape
    noisy = torch.rand(count, generator=generator) < prob
    valid = (torch.arange(frames) < lengths[:, None])[..., None]
    loudness = torch.where(valid, mels, -torch.inf).flatten(1).logsumexp(1) - (lengths * bins).log()
    level = loudness - _uniform(noise_db, count, generator) * math.log(10) / 10
    tilt = _uniform((-3.0, 3.0), count, generator)[:, None, None] * torch.linspace(-0.5, 0.5, bins)
    noise = level[:, None, None] + tilt + torch.randn(count, frames, bins, generator=generator)
    return torch.where(noisy[:, None, None], torch.logaddexp(mels, noise), mels)


def _normalize(mels: Tensor, lengths: Tensor) -> Tensor:
    """Normalise each mel bin over the frames of a clip to mean 0 and variance 1, as `log_mel` does; padding is zero."""
    valid = (torch.arange(mels.shape[1]) < lengths[:, None])[..., None]
    number = lengths[:, None, None]
    mean = (mels * valid).sum(1, keepdim=True) / number
    centred = (mels - mean) * valid
    variance = centred.square().sum(1, keepdim=True) / (number - 1).clamp(min=1)
    return centred / (variance + 1e-7).sqrt()


def _mask(features: Tensor, prob: float, generator: torch.Generator) -> Tensor:
    """Set random tokens and a random band of mel bins of each clip to zero, their mean."""
    count, tokens, width = features.shape
    keep = torch.rand(count, tokens, 1, generator=generator) >= prob
    bins = width // TOKEN_FRAMES
    start = torch.randint(bins, (count, 1), generator=generator)
    size = torch.randint(bins // 6, (count, 1), generator=generator)
    index = torch.arange(bins)
    band = (index >= start) & (index < start + size)
    return features * keep * ~band.repeat(1, TOKEN_FRAMES)[:, None, :]
