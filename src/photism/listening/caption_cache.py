"""Cache of the encodings of the captions of a model, which each process would otherwise compute again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from photism.fingerprint import combine
from photism.prompts.text_encoder_digest import text_encoder_digest
from photism.user_cache import cache_folder, keep, prune

MIN_CAPTIONS = 64
"""Number of captions from which on their encodings are kept; fewer are encoded in a moment."""
MAX_FILE_BYTES = 2**28
"""Largest encodings that are kept: those of 1,100 captions by the text encoder of Stable Diffusion 1."""
MAX_FOLDER_BYTES = 2 * MAX_FILE_BYTES
"""Size of all encodings that are kept; those that were used longest ago are deleted."""
TENSOR = "encodings"


def encoded_captions(diffusion: Any, captions: Sequence[str], encode: Callable[[Sequence[str]], Tensor]) -> Tensor:
    """Return the encodings of M captions, float32 (M, S, D), from the cache if an earlier process has encoded them.

    Args:
        diffusion: a diffusers pipeline, on whose text encoder, tokenizer, device and dtype the encodings depend.
        captions: the captions.
        encode: encodes captions with that pipeline.
    """
    if len(captions) < MIN_CAPTIONS:
        return encode(captions)
    device = diffusion._execution_device
    computed_by = (text_encoder_digest(diffusion), device.type, str(diffusion.text_encoder.dtype))
    path = cache_folder() / "captions" / f"{combine(*computed_by, *captions)}.safetensors"
    encodings = _read(path, len(captions))
    if encodings is not None:
        return encodings.to(device)
    encodings = encode(captions)
    if encodings.nbytes <= MAX_FILE_BYTES:
        tensors = {TENSOR: encodings.cpu().contiguous()}
        keep(path, lambda unfinished: save_file(tensors, unfinished))
        prune(path.parent, max_bytes=MAX_FOLDER_BYTES)
    return encodings


def _read(path: Path, count: int) -> Tensor | None:
    """Return the encodings of `count` captions from a file; None if there is none or it is damaged."""
    try:
        encodings = load_file(path)[TENSOR]
    except (OSError, SafetensorError, KeyError):
        return None
    if encodings.dtype != torch.float32 or encodings.ndim != 3 or len(encodings) != count:
        return None
    if not bool(encodings.isfinite().all()):
        return None
    with suppress(OSError):
        os.utime(path)  # `prune` deletes what was used longest ago
    return encodings
