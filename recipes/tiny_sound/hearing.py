"""What the bundled audio encoder hears, which is the measure of this recipe."""

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
def _listener() -> CaptionRanker:
    return CaptionRanker.from_pretrained(device="cpu")


def recalls(waveforms: Tensor, captions: Sequence[str]) -> tuple[float, float, list[bool]]:
    """R@1, R@5 among all captions, and for each sound whether its own is among the first five.

    As in recipes/tiny, captions that differ only in the case of a letter count as one.

    Args:
        waveforms: (N, T).
        captions: of each.
    """
    listener, among = _listener(), read_captions()
    sounds = [load_waveform(samples, sampling_rate=SAMPLING_RATE) for samples in waveforms.numpy()]
    similarity = listener.score_prompts(listener.encoder.encode(sounds, batch_size=16), captions=among)
    relevant = torch.tensor([[other.lower() == caption.lower() for other in among] for caption in captions])
    metrics = retrieval(similarity, relevant)
    best = similarity.masked_fill(~relevant, -2).amax(1, keepdim=True)
    ahead = ((similarity > best) & ~relevant).sum(1)
    return metrics.recall_at_1, metrics.recall_at_5, (ahead < 5).tolist()
