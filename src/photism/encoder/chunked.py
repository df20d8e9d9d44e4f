"""Encode recordings of any length in bounded memory: in one pass if possible, or else in overlapping windows.

Attention covers a whole recording, so windows are not exact: a token depends on the tokens of its window only.
Neighbouring windows overlap, and the states of the first fade into those of the second, which leaves no seam.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from photism.audio.windowing import crossfade_into, cut_windows
from photism.device import free_bytes
from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError

VALUES_PER_TOKEN = 16
"""Values that the encoder holds at once for each value of a token's state; 12 were measured on a clip of 5 minutes."""
MAX_EXACT_TOKENS = 32_768
"""Longest clip that is encoded in one pass: 11 minutes at 50 tokens per second. There, three quarters of the published
model's arithmetic are attention, which quadruples for twice the tokens."""
FREE_SHARE = 0.5
"""Fraction of the free memory that a clip in one pass may take."""
WINDOW_TOKENS = 3000
"""Length of a window: a minute at 50 tokens per second."""
OVERLAP_SHARE = 1 / 6
"""Overlap of neighbouring windows, as a fraction of a window."""


class ChunkedEncoding(NamedTuple):
    """States of one clip, and the number of windows that it was encoded in."""

    last_hidden_state: Tensor  # (1, F, D)
    windows: int  # 1: in one pass, exact


def max_exact_tokens(model: Wav2Vec2BertModel) -> int:
    """Return the length of the longest clip, in tokens, that a model may encode in one pass on its device."""
    token_bytes = VALUES_PER_TOKEN * model.config.hidden_size * model.dtype.itemsize
    return min(MAX_EXACT_TOKENS, int(FREE_SHARE * free_bytes(model.device)) // token_bytes)


@torch.no_grad()
def encode_chunked(
    model: Wav2Vec2BertModel,
    input_features: Tensor,
    *,
    window: int | None = None,
    overlap: int | None = None,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> ChunkedEncoding:
    """Encode one clip of any length.

    Args:
        model: encoder without an adapter, in evaluation mode.
        input_features: (1, F, feature_projection_input_dim) in any dtype, as `log_mel` returns them for the whole clip.
        window: tokens in each window. By default the whole clip up to `max_exact_tokens`, and 3000 for a longer one. A
            clip that is no longer than a window is encoded in one pass.
        overlap: smallest overlap of neighbouring windows in tokens, below the window; by default a sixth of it.
        encode: function of the features of a window that returns states (1, F, D); by default the model's last states.

    Returns:
        the states (1, F, D), and the number of windows.

    Raises:
        InputError: there are several clips, the overlap is not below the window, or the model has an adapter.
    """
    if input_features.ndim != 3 or len(input_features) != 1:
        raise InputError(f"input_features must be one clip, (1, F, D); got {tuple(input_features.shape)}")
    if model.adapter is not None:
        raise InputError("model must have no adapter: its tokens would not be those of the clip")
    input_features = input_features.to(model.dtype)
    frames = input_features.shape[1]
    if window is None:
        window = frames if frames <= max_exact_tokens(model) else WINDOW_TOKENS
    if overlap is None:
        overlap = round(OVERLAP_SHARE * window)
    if not 0 <= overlap < window:
        raise InputError(f"overlap must be from 0 to below the window of {window} tokens; got {overlap}")
    encode = encode or (lambda features: model(features).last_hidden_state)
    if frames <= window:
        return ChunkedEncoding(encode(input_features), 1)

    windows = cut_windows(frames, length=window, hop=window - overlap, placement="even")
    states = input_features.new_empty(1, frames, model.config.hidden_size)
    written = 0
    for start, stop in windows:
        crossfade_into(states, encode(input_features[:, start:stop]), start=start, written=written)
        written = stop
    return ChunkedEncoding(states, len(windows))
