"""Short recordings that are read as long ones are."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def read_in_blocks(*, block_samples: int = 3000, window_tokens: int = 40) -> Iterator[None]:
    """Read every recording in small blocks, as if it were of more than an hour, and encode it in short windows."""
    with (
        patch("photism.audio.long_recording.MAX_HELD_S", 0.0),
        patch("photism.audio.long_recording.BLOCK_SAMPLES", block_samples),
        encoded_in_windows(window_tokens=window_tokens),
    ):
        yield


@contextmanager
def encoded_in_windows(*, window_tokens: int = 40) -> Iterator[None]:
    """Encode every recording in short windows, as if it were of more than some minutes."""
    with (
        patch("photism.encoder.chunked.MAX_EXACT_TOKENS", window_tokens),
        patch("photism.encoder.chunked.WINDOW_TOKENS", window_tokens),
    ):
        yield
