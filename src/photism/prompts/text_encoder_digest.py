"""Digest of the text encoders of a diffusion pipeline, by which embeddings are found again that they computed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch


def text_encoder_digest(pipeline: Any) -> str:
    """Return a digest of everything that a pipeline's embeddings depend on: classes, configuration, words, weights."""
    digest = hashlib.blake2b(type(pipeline).__name__.encode(), digest_size=12)
    for suffix in ("", "_2"):
        tokenizer, encoder = (getattr(pipeline, part + suffix, None) for part in ("tokenizer", "text_encoder"))
        if tokenizer is None or encoder is None:
            continue
        words = [sorted(tokenizer.get_vocab().items()), tokenizer.model_max_length, tokenizer.pad_token]
        digest.update(json.dumps([*words, encoder.config.to_diff_dict()], default=str).encode())
        for key, value in sorted(encoder.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
