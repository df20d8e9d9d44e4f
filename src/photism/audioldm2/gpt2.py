"""The language model of AudioLDM 2, which continues a sequence of hidden states, not of words.

The loop of diffusers calls a method that GPT2Model no longer has (diffusers issue 12630), computes logits that are
never used, and counts positions over padding, so that a prompt in a batch with a longer one gives another sound, as in
haoheliu/AudioLDM2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from photism.cancellation import check_cancelled


def generate_hidden_states(
    model: Any, embeds: Tensor, mask: Tensor, *, count: int, skip_padding: bool = True
) -> Tensor:
    """Continue each sequence by feeding the model's last hidden state back to it.

    Args:
        model: GPT-2 without a head.
        embeds: (B, L, D) sequences.
        mask: (B, L), 0 at padding and 1 elsewhere.
        count: number of states to generate, at least 1.
        skip_padding: count positions without padding, so that padding changes nothing. Set it to False for a model that
            was trained on sequences padded to one length, whose positions include padding.

    Returns:
        (B, count, D) hidden states of the last layer, after its norm.
    """
    from transformers import DynamicCache

    mask = mask.to(torch.long)
    if skip_padding:
        positions = (mask.cumsum(1) - 1).clamp(min=0)
    else:
        positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    attended = None if mask.all() else mask
    cache = DynamicCache(config=model.config)  # which the model extends in place
    states: list[Tensor] = []
    for _ in range(count):
        check_cancelled()
        # No token ids, and the cache by its place: transformers 5.24 renamed the argument past_key_values to cache.
        output = model(
            None, cache, inputs_embeds=embeds, attention_mask=attended, position_ids=positions, use_cache=True
        )
        embeds = output.last_hidden_state[:, -1:]
        states.append(embeds)
        positions = positions[:, -1:] + 1
        if attended is not None:
            attended = torch.cat([attended, attended.new_ones(len(attended), 1)], dim=1)
    return torch.cat(states, dim=1)
