"""Rank waveforms by the similarity of their CLAP embeddings to those of the prompts.

diffusers embeds ten seconds cut at random from a longer waveform, so that its scores differ between calls; here a long
waveform is embedded in windows that cover it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from photism.audio.windowing import cut_windows
from photism.audioldm2.components import Components
from photism.cancellation import cancellable_steps
from photism.errors import InputError
from photism.finite import check_finite


@torch.no_grad()
def clap_embed(waveforms: Tensor, components: Components) -> Tensor:
    """Embed waveforms with the audio tower of CLAP: (N, T) -> (N, P), of length 1."""
    rate = components.checkpoint.sampling_rate
    extractor = components.feature_extractor
    with components.on_device("audio_tower") as (clap,):
        bins = clap.audio_model.config.num_mel_bins
        if extractor.feature_size != bins:
            raise InputError(
                f"feature_extractor must make the {bins} mel bins of CLAP; it makes {extractor.feature_size}"
            )
        resampled = (soxr.resample(waveform.numpy(), rate, extractor.sampling_rate) for waveform in waveforms)
        steps = cancellable_steps(resampled)
        return torch.stack([_embed_one(clap, extractor, samples, components) for samples in steps])


def rank_waveforms(text_embeds: Tensor, audio_embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the waveforms of each prompt by their cosine similarity to the prompt.

    Args:
        text_embeds: (B, P) CLAP embeddings of the prompts, of length 1.
        audio_embeds: (B * n, P) those of the waveforms, n consecutive ones for each prompt.

    Returns:
        (B, n) similarities, highest first, and (B * n,) indices of the waveforms in that order.
    """
    check_finite(audio_embeds, "CLAP embeddings", audio_embeds.dtype)
    grouped = audio_embeds.unflatten(0, (len(text_embeds), -1))  # (B * n, P) -> (B, n, P)
    scores, order = (grouped @ text_embeds[..., None])[..., 0].sort(dim=1, descending=True, stable=True)
    first = torch.arange(len(text_embeds), device=order.device)[:, None] * order.shape[1]
    return scores, (first + order).flatten()


def _embed_one(clap: Any, extractor: Any, samples: NDArray[np.float32], components: Components) -> Tensor:
    """Return the normalized mean (P,) of the embeddings of a waveform's windows."""
    longest = int(extractor.nb_max_samples)
    windows = [
        samples[start:stop] for start, stop in cut_windows(len(samples), length=longest, hop=longest, placement="even")
    ]
    # The extractor's own longest length is a float if its configuration has seconds with a fraction, and cannot pad.
    given = {"max_length": longest, "sampling_rate": extractor.sampling_rate, "return_tensors": "pt"}
    features = extractor(windows, **given).input_features
    # No window is longer than what CLAP takes: the flags that the extractor returns for fusion are random.
    is_longer = torch.zeros(len(features), 1, dtype=torch.bool, device=components.device)
    features = features.to(components.device, clap.audio_model.dtype)
    pooled = clap.audio_model(input_features=features, is_longer=is_longer).pooler_output
    embeds = clap.audio_projection(pooled).float()
    return normalize(normalize(embeds, dim=-1).mean(0), dim=-1).cpu()
