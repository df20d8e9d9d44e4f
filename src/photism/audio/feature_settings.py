"""Settings of the log-mel features that an encoder expects."""

from __future__ import annotations

from dataclasses import dataclass

from photism.audio.log_mel import FRAMES_PER_S


@dataclass(frozen=True)
class FeatureSettings:
    """Arguments of `log_mel` that an encoder expects.

    Attributes:
        num_mel_bins: mel bins of a frame.
        stride: frames that are stacked to a token.
    """

    num_mel_bins: int = 80
    stride: int = 2

    @property
    def width(self) -> int:
        """Numbers in a token."""
        return self.num_mel_bins * self.stride

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second of audio."""
        return FRAMES_PER_S / self.stride
