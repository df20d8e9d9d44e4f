"""How well waveforms fit their prompts, as CLAP hears them.

The reference hears ten seconds cut out at random of what is longer, so that a score changes from one call to the next;
here a long waveform is heard in windows that cover it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from photism.audio.windowing import cut_windows
from photism.audioldm2.components import Components


@torch.no_grad()
def hear(waveforms: Tensor, components: Components) -> Tensor:
    """(N, T) waveforms -> (N, P) CLAP embeddings of length 1."""
    extractor = components.feature_extractor
    longest = int(extractor.nb_max_samples)
    with components.at_work("audio_tower") as (audio_tower,):
        return torch.stack(
            [
                _hear_one(audio_tower, extractor, _resampled(waveform, components, extractor), longest, components)
                for waveform in waveforms
            ]
        )


def rank(text: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Orders the waveforms of each prompt.

    Args:
        text: (B, P) CLAP embeddings of prompts, of length 1.
        heard: (B * n, P) of their waveforms, n to a prompt.

    Returns:
        (B, n) cosines, the best first, and (B * n,) the waveforms in that order, each with its own prompt.
    """
    of_prompt = heard.unflatten(0, (len(text), -1))  # (B * n, P) -> (B, n, P)
    scores, order = (of_prompt @ text[..., None])[..., 0].sort(dim=1, descending=True, stable=True)
    first = torch.arange(len(text), device=order.device)[:, None] * order.shape[1]
    return scores, (first + order).flatten()


def _resampled(waveform: Tensor, components: Components, extractor: Any) -> Any:
    import soxr

    return soxr.resample(waveform.numpy(), components.checkpoint.sampling_rate, extractor.sampling_rate)


def _hear_one(audio_tower: Any, extractor: Any, samples: Any, longest: int, components: Components) -> Tensor:
    cut = cut_windows(len(samples), length=longest, hop=longest, placement="even")
    windows = [samples[start:stop] for start, stop in cut]
    heard = extractor(windows, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    features = heard.input_features.to(components.device, components.dtype)
    # Nothing is longer than a window: what the extractor says here of fusion is drawn at random.
    is_longer = torch.zeros(len(features), 1, dtype=torch.bool, device=components.device)
    embeds = audio_tower(input_features=features, is_longer=is_longer).audio_embeds.float()
    normalise = torch.nn.functional.normalize
    return normalise(normalise(embeds, dim=-1).mean(0), dim=-1).cpu()
