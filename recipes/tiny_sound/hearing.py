"""What the bundled audio encoder hears, which is the measure of this recipe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from targets import SAMPLING_RATE
from torch import Tensor

from photism import AudioToImagePipeline
from photism.alignment import retrieval, sequence_similarity
from photism.alignment.prompt_space import encode_text
from photism.audio import load_waveform


@cache
def _listener() -> tuple[AudioToImagePipeline, Sequence[str], Tensor]:
    from corpus import read_captions

    pipeline, captions = AudioToImagePipeline.from_pretrained(device="cpu"), read_captions()
    with torch.no_grad():
        texts = [encode_text(pipeline.diffusion, captions[i : i + 64])[0] for i in range(0, len(captions), 64)]
    return pipeline, captions, torch.cat(texts)


def recalls(waveforms: Tensor, captions: Sequence[str]) -> tuple[float, float, list[bool]]:
    """R@1, R@5 among all captions, and for each sound whether its own is among the first five.

    As in recipes/tiny, captions that differ only in the case of a letter count as one.

    Args:
        waveforms: (N, T).
        captions: of each.
    """
    pipeline, among, texts = _listener()
    sounds = [load_waveform(samples, sampling_rate=SAMPLING_RATE) for samples in waveforms.numpy()]
    heard = pipeline.encoder.encode(sounds, batch_size=16).prompt_embeds
    similarity = sequence_similarity(heard[:, 1:], texts[:, 1:])
    relevant = torch.tensor([[other.lower() == caption.lower() for other in among] for caption in captions])
    metrics = retrieval(similarity, relevant)
    best = similarity.masked_fill(~relevant, -2).amax(1, keepdim=True)
    ahead = ((similarity > best) & ~relevant).sum(1)
    return metrics.recall_at_1, metrics.recall_at_5, (ahead < 5).tolist()
