"""Prompts of random embeddings."""

import torch

from photism.prompts.audio_prompt import AudioPrompt


def make_prompt(seed, rows=1, length=5, width=4, pooled=3, dtype=torch.float32):
    noise = torch.Generator().manual_seed(seed)
    return AudioPrompt(
        torch.randn(rows, length, width, generator=noise).to(dtype),
        torch.randn(rows, pooled, generator=noise).to(dtype) if pooled else None,
    )


def assert_equal(one, other, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    torch.testing.assert_close(one.prompt_embeds, other.prompt_embeds, **tolerance)
    torch.testing.assert_close(one.pooled_prompt_embeds, other.pooled_prompt_embeds, **tolerance)
