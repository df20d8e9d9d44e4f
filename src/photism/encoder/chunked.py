"""Encode recordings of any length in bounded memory: in one pass if possible, or else in overlapping windows.

Attention covers a whole recording, so windows are not exact: a token depends on the tokens of its window only.
Neighbouring windows overlap, and the states of the first fade into those of the second, which leaves no seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from photism.audio.log_mel import FRAMES_PER_S
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.waveform import Waveform
from photism.audio.windowing import Window, crossfade, cut_windows, stream_slices
from photism.cancellation import check_cancelled
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
    """States of one clip, and how they were computed.

    Attributes:
        last_hidden_state: (1, F, D) states.
        windows: number of windows; 1 means in one pass, which is exact.
    """

    last_hidden_state: Tensor
    windows: int


@dataclass(frozen=True, eq=False)
class StateStream:
    """States of one clip that is encoded in windows whenever it is iterated over.

    An iteration yields the states (1, f, D) of all tokens, in order, in blocks.

    Attributes:
        read_tokens: reads log-mel tokens (f, feature_projection_input_dim) of the clip from its beginning, in blocks.
        windows: windows that cover the clip, in tokens.
        encode: function of the features of a window (1, L, ·) that returns states (1, L, D).
        on_window: called after each window.
    """

    read_tokens: Callable[[], Iterable[Tensor]]
    windows: list[Window]
    encode: Callable[[Tensor], Tensor]
    on_window: Callable[[], None] | None = None

    @torch.no_grad()
    def __iter__(self) -> Iterator[Tensor]:
        """Encode the windows one by one, and fade from the states of each to those of the next."""
        before: Tensor | None = None
        next_starts = [*(window.start for window in self.windows[1:]), self.windows[-1].stop]
        features = stream_slices(self.read_tokens(), self.windows)
        for (start, _), next_start, part in zip(self.windows, next_starts, features, strict=True):
            check_cancelled()
            states = self.encode(part[None])
            if before is not None:
                crossfade(before, states)
            yield states[:, : next_start - start]
            before = states[:, next_start - start :]
            if self.on_window:
                self.on_window()


def max_exact_tokens(model: Wav2Vec2BertModel) -> int:
    """Return the length of the longest clip, in tokens, that a model may encode in one pass on its device."""
    token_bytes = VALUES_PER_TOKEN * model.config.hidden_size * model.dtype.itemsize
    return min(MAX_EXACT_TOKENS, int(FREE_SHARE * free_bytes(model.device)) // token_bytes)


def fits_one_pass(model: Wav2Vec2BertModel, waveforms: Sequence[Waveform], *, stride: int) -> bool:
    """Return whether waveforms, padded to the longest, fit into memory in one pass.

    Args:
        model: encoder.
        waveforms: at least one.
        stride: log-mel frames that are stacked to a token.
    """
    padded_s = len(waveforms) * max(waveform.duration_s for waveform in waveforms)
    return padded_s * FRAMES_PER_S / stride <= max_exact_tokens(model)


def encoder_windows(tokens: int, *, length: int | None = None, overlap: int | None = None) -> list[Window]:
    """Cover a clip with evenly spread windows.

    Args:
        tokens: length of the clip.
        length: tokens in each window; by default 3000.
        overlap: smallest overlap of neighbouring windows in tokens; by default a sixth of a window.

    Raises:
        InputError: the overlap is not below the window.
    """
    length = WINDOW_TOKENS if length is None else length
    overlap = round(OVERLAP_SHARE * length) if overlap is None else overlap
    if not 0 <= overlap < length:
        raise InputError(f"overlap must be from 0 to below the window of {length} tokens; got {overlap}")
    return cut_windows(tokens, length=length, hop=length - overlap, placement="even")


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
    _refuse_adapter(model)
    input_features = input_features.to(model.dtype)
    frames = input_features.shape[1]
    if window is None:
        window = frames if frames <= max_exact_tokens(model) else WINDOW_TOKENS
    encode = encode or (lambda features: model(features).last_hidden_state)
    windows = encoder_windows(frames, length=window, overlap=overlap)
    if len(windows) == 1:
        return ChunkedEncoding(encode(input_features), 1)
    states = input_features.new_empty(1, frames, model.config.hidden_size)
    written = 0
    for block in StateStream(lambda: [input_features[0]], windows, encode):
        states[:, written : written + block.shape[1]] = block
        written += block.shape[1]
    return ChunkedEncoding(states, len(windows))


def encode_stream(
    model: Wav2Vec2BertModel,
    log_mels: LogMelStream,
    *,
    encode: Callable[[Tensor], Tensor] | None = None,
    passes: int = 1,
    on_progress: Callable[[float], None] | None = None,
) -> StateStream:
    """Return the states of a recording that is read block by block, in memory that does not grow with its length.

    Args:
        model: encoder without an adapter, in evaluation mode.
        log_mels: features of the recording.
        encode: function of the features of a window that returns states (1, F, D); by default the model's last states.
        passes: number of times that the states will be read; the progress is that of all of them.
        on_progress: called after each window with the seconds that are processed.

    Raises:
        InputError: the model has an adapter.
    """
    _refuse_adapter(model)
    encode = encode or (lambda features: model(features).last_hidden_state)
    windows = encoder_windows(log_mels.token_count)
    done = 0

    def report() -> None:
        """Report the progress in seconds."""
        nonlocal done
        done += 1
        if on_progress:
            on_progress(log_mels.recording.duration_s * done / (passes * len(windows)))

    return StateStream(log_mels.blocks, windows, lambda features: encode(features.to(model.dtype)), report)


def _refuse_adapter(model: Wav2Vec2BertModel) -> None:
    if model.adapter is not None:
        raise InputError("model must have no adapter: its tokens would not be those of the clip")
