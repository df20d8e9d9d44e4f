"""Log-mel features of a recording of any length, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from photism.audio.level import frame_blocks
from photism.audio.log_mel import VARIANCE_FLOOR, log_mel
from photism.audio.long_recording import LongRecording


@dataclass(frozen=True, eq=False)
class LogMelStream:
    """Log-mel tokens of a recording that is read block by block, as `log_mel` computes them for the whole recording.

    Attributes:
        recording: the recording.
        stride: frames stacked to a token.
        token_count: number of tokens, 0 for a recording of fewer frames than a token has.
        first: (num_mel_bins,) float64, the first frame.
        mean: (num_mel_bins,) float64, mean of the frames less the first.
        deviation: (num_mel_bins,) float64, standard deviation of the frames.
    """

    recording: LongRecording
    stride: int
    token_count: int
    first: Tensor
    mean: Tensor
    deviation: Tensor

    @classmethod
    def measure(
        cls, recording: LongRecording, *, num_mel_bins: int, stride: int, device: torch.device | str | None = None
    ) -> LogMelStream:
        """Read a recording once to find the mean and the variance of each mel bin.

        Args:
            recording: the recording.
            num_mel_bins: mel filters.
            stride: frames stacked to a token.
            device: where features are computed; by default the CPU.
        """
        frames = _frames(recording, num_mel_bins, device)
        count, squares = 0, torch.zeros(num_mel_bins, dtype=torch.float64, device=device)
        first, total = torch.zeros_like(squares), torch.zeros_like(squares)
        for block in frames:
            # As in `log_mel`, the difference to the first frame keeps a constant bin free of rounding errors.
            first = first if count else block[0]
            total += (block - first).sum(0)
            squares += (block - first).square().sum(0)
            count += len(block)
        mean = total / count
        variance = (squares - count * mean.square()).clamp(min=0) / max(count - 1, 1)
        return cls(recording, stride, count // stride, first, mean, (variance + VARIANCE_FLOOR).sqrt())

    def blocks(self) -> Iterator[Tensor]:
        """Read the recording from its beginning, and yield its tokens (f, num_mel_bins * stride) in blocks."""
        held = self.first.new_empty(0, len(self.first), dtype=torch.float32)
        for block in _frames(self.recording, len(self.first), self.first.device):
            normalized = (block - self.first - self.mean) / self.deviation
            held = torch.cat([held, normalized.float()])
            tokens = len(held) // self.stride
            # (f * stride, num_mel_bins) -> (f, num_mel_bins * stride)
            yield held[: tokens * self.stride].reshape(tokens, self.stride * held.shape[1])
            held = held[tokens * self.stride :]

    def beginning(self, tokens: int) -> Tensor:
        """Return the first tokens, (F, num_mel_bins * stride) with F at most `tokens`."""
        held: list[Tensor] = []
        for block in self.blocks():
            held.append(block[:tokens])
            tokens -= len(held[-1])
            if not tokens:
                break
        return torch.cat(held)


def _frames(recording: LongRecording, num_mel_bins: int, device: torch.device | str | None) -> Iterator[Tensor]:
    """Compute the log-mel frames (f, num_mel_bins) float64 of a recording in blocks, not normalised."""
    for samples in frame_blocks(recording.blocks()):
        features = log_mel([samples], num_mel_bins=num_mel_bins, stride=1, normalize=False, device=device)
        yield features.input_features[0].double()
