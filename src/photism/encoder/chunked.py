"""Encoding sound of any length in bounded memory: in one piece up to some minutes, then in overlapped windows.

Attention reaches over a whole recording, so windows are not exact: a token hears what its window holds. Neighbours
share an overlap in which the states of the first fade into those of the second, which leaves no seam.
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

NUMBERS_A_TOKEN = 16
"""That the encoder holds at once for each number of a token's state: 12 were measured on a clip of 5 minutes."""
EXACT_TOKENS = 32_768
"""Of the longest clip in one piece: 11 minutes at 50 tokens a second. Three quarters of the published
model's arithmetic are attention there, which quadruples with twice the tokens."""
FREE_SHARE = 0.5
"""Of the memory that is free, which such a clip may take."""
WINDOW_TOKENS = 3000
"""A minute at 50 tokens a second."""
OVERLAP_SHARE = 1 / 6
"""Of a window, with each of its neighbours."""


class LongEncoding(NamedTuple):
    """States of one clip, and how they came about."""

    last_hidden_state: Tensor  # (1, F, D)
    windows: int  # 1: in one piece, exact


def longest_exact(model: Wav2Vec2BertModel) -> int:
    """Tokens of a clip that this model may encode in one piece on its device."""
    token_bytes = NUMBERS_A_TOKEN * model.config.hidden_size * model.dtype.itemsize
    return min(EXACT_TOKENS, int(FREE_SHARE * free_bytes(model.device)) // token_bytes)


@torch.no_grad()
def encode_long(
    model: Wav2Vec2BertModel,
    input_features: Tensor,
    *,
    window: int | None = None,
    overlap: int | None = None,
    states_of: Callable[[Tensor], Tensor] | None = None,
) -> LongEncoding:
    """Encodes one clip of any length.

    Args:
        model: without an adapter, in evaluation.
        input_features: (1, F, feature_projection_input_dim) in any dtype, as `log_mel` makes them of the whole clip.
        window: tokens of a window, all alike; by default the whole clip up to `longest_exact`, and 3000 of a longer
            one. A clip that is no longer is encoded in one piece.
        overlap: tokens that two neighbours share at least, below the window; by default a sixth of it.
        states_of: what makes states (1, F, D) of the features of a window; by default the model, whose last they are.

    Returns:
        the states (1, F, D), and the number of windows.

    Raises:
        InputError: several clips, an overlap that is not below the window, or a model with an adapter.
    """
    if input_features.ndim != 3 or len(input_features) != 1:
        raise InputError(f"input_features must be one clip, (1, F, D); got {tuple(input_features.shape)}")
    if model.adapter is not None:
        raise InputError("model must have no adapter, whose tokens do not line up with the clip's")
    input_features = input_features.to(model.dtype)
    frames = input_features.shape[1]
    if window is None:
        window = frames if frames <= longest_exact(model) else WINDOW_TOKENS
    if overlap is None:
        overlap = round(OVERLAP_SHARE * window)
    if not 0 <= overlap < window:
        raise InputError(f"overlap must be from 0 to below the window of {window} tokens; got {overlap}")
    encode: Callable[[Tensor], Tensor] = states_of or (lambda features: model(features).last_hidden_state)
    if frames <= window:
        return LongEncoding(encode(input_features), 1)

    windows = cut_windows(frames, length=window, hop=window - overlap, placement="even")
    states = input_features.new_empty(1, frames, model.config.hidden_size)
    written = 0
    for start, stop in windows:
        crossfade_into(states, encode(input_features[:, start:stop]), start=start, written=written)
        written = stop
    return LongEncoding(states, len(windows))
