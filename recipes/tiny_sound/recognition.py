"""Evaluate generated voices by the captions that the bundled audio encoder recognises."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from photism import CaptionRanker
from photism.audio.waveform import load_waveform
from photism.prompts.metrics import retrieval
from recipes.tiny_sound.targets import SAMPLING_RATE, read_captions


@cache
def _ranker() -> CaptionRanker:
    return CaptionRanker.from_pretrained(device="cpu")


def caption_recall(waveforms: Tensor, captions: Sequence[str]) -> tuple[float, float, list[bool]]:
    """Return R@1 and R@5 among all captions, and for each waveform whether its caption is among the first five.

    As in recipes/tiny, captions that differ only in case count as one.

    Args:
        waveforms: (N, T) waveforms.
        captions: caption of each.
    """
    ranker, vocabulary = _ranker(), read_captions()
    recordings = [load_waveform(samples, sampling_rate=SAMPLING_RATE) for samples in waveforms.numpy()]
    similarity = ranker.score_prompts(ranker.encoder.encode(recordings, batch_size=16), captions=vocabulary)
    relevant = torch.tensor([[other.lower() == caption.lower() for other in vocabulary] for caption in captions])
    metrics = retrieval(similarity, relevant)
    best = similarity.masked_fill(~relevant, -2).amax(1, keepdim=True)
    ahead = ((similarity > best) & ~relevant).sum(1)
    return metrics.recall_at_1, metrics.recall_at_5, (ahead < 5).tolist()
