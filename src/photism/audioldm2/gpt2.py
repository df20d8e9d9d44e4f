"""The language model of AudioLDM 2: it continues a sequence of states, not of words.

The reference's loop calls a method that GPT2Model no longer has (diffusers issue 12630), computes logits that nobody
reads, and counts positions past padding, so that a prompt beside a longer one sounds different (haoheliu/AudioLDM2).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def generate_states(model: Any, embeds: Tensor, mask: Tensor, *, count: int, skip_padding: bool = True) -> Tensor:
    """Appends `count` states to each sequence, each the model's last one fed back to it.

    Args:
        model: a bare GPT-2.
        embeds: (B, L, D) the sequences.
        mask: (B, L), 1 where a state counts.
        count: at least 1.
        skip_padding: count positions over what counts alone, so that padding changes nothing. A model that was trained
            on sequences padded to one length is used to positions that padding takes part in.

    Returns:
        (B, count, D): the states of the last layer, after its norm.
    """
    mask = mask.to(torch.long)
    if skip_padding:
        positions = (mask.cumsum(1) - 1).clamp(min=0)
    else:
        positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    attended = None if mask.all() else mask
    cache: Any = None
    states: list[Tensor] = []
    for _ in range(count):
        output = model(
            inputs_embeds=embeds,
            attention_mask=attended,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        embeds = output.last_hidden_state[:, -1:]
        states.append(embeds)
        positions = positions[:, -1:] + 1
        if attended is not None:
            attended = torch.cat([attended, attended.new_ones(len(attended), 1)], dim=1)
    return torch.cat(states, dim=1)
