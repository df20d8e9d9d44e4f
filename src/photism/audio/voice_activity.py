"""Voice activity detection with Silero's network, whose weights come with the library silero-vad.

The library's own network takes 32 ms at a time, and importing the library leaves torch with a single thread. Here the
network is built of torch's modules and loads the library's weights; everything before its LSTM is computed for many
blocks at once. The tests compare its probabilities with the library's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from photism.audio.long_recording import Recording, sample_blocks
from photism.audio.waveform import SAMPLING_RATE
from photism.errors import InputError

BLOCK_SAMPLES = 512  # 32 ms, one probability each
CONTEXT_SAMPLES = 64  # of the preceding block
FFT_SAMPLES = 256
FFT_HOP_SAMPLES = 128
WIDTH = 128
WEIGHTS = "silero_vad.jit"
"""The library's safetensors are those of an older version. Reading this file with torch.jit runs no Python code."""

SPEECH_ABOVE = 0.5
"""Probability at which speech starts."""
SILENCE_BELOW = 0.35
"""Probability below which speech ends."""
SHORTEST_SPEECH_S = 0.1
SHORTEST_SILENCE_S = 0.3
PADDING_S = 0.2
"""Silence that is kept on either side of speech, at most to the middle of the pause."""
LONGEST_SILENCE_S = 2.0
"""Longest pause within merged segments."""


def speech_segments(recording: Recording) -> list[tuple[float, float]]:
    """Detect speech, and return the start and end of each segment in seconds, ascending.

    Raises:
        InputError: the library silero-vad is not installed.
    """
    return segments_from_probabilities(speech_probabilities(recording), recording.duration_s)


def speech_probabilities(recording: Recording) -> NDArray[np.float32]:
    """Return the probability of speech for each 32 ms, the last of them padded with zeros: (T / 512,)."""
    return np.concatenate(list(stream_speech_probabilities(sample_blocks(recording))))


def stream_speech_probabilities(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Compute the probability of speech for each 32 ms of a recording that arrives in blocks.

    Args:
        blocks: samples (T,) at 16 kHz, in blocks of any length.

    Yields:
        (N,) for some of the 32 ms, in order; the last of them is padded with zeros.

    Raises:
        InputError: the library silero-vad is not installed.
    """
    detector = SpeechDetector()
    for some in _with_context(blocks):
        yield detector(some).numpy()


class SpeechDetector:
    """Voice activity detection of blocks of 32 ms that arrive one after the other.

    Raises:
        InputError: the library silero-vad is not installed.
    """

    def __init__(self) -> None:
        self._network = _network()
        self._state: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def __call__(self, blocks: Tensor) -> Tensor:
        """Compute the probabilities (N,) of speech in the next blocks, each after its context: (N, 576)."""
        probabilities, self._state = self._network(blocks, self._state)
        return probabilities


def _with_context(samples: Iterable[NDArray[np.float32]]) -> Iterator[Tensor]:
    """Regroup samples that arrive in blocks of any length into blocks of 32 ms, each after its context: (N, 576)."""
    held = torch.zeros(CONTEXT_SAMPLES)
    for some in samples:
        held = torch.cat([held, torch.tensor(some)])
        count = (len(held) - CONTEXT_SAMPLES) // BLOCK_SAMPLES
        if count:
            yield held.unfold(0, CONTEXT_SAMPLES + BLOCK_SAMPLES, BLOCK_SAMPLES)  # a view
            held = held[count * BLOCK_SAMPLES :]
    missing = -(len(held) - CONTEXT_SAMPLES) % BLOCK_SAMPLES
    if missing:
        yield pad(held, (0, missing))[None]


def follow_speech(probabilities: Iterable[float]) -> Iterator[bool]:
    """Yield whether there is speech at each probability: it starts above one threshold and ends below a lower one."""
    is_speech = False
    for probability in probabilities:
        is_speech = probability >= (SILENCE_BELOW if is_speech else SPEECH_ABOVE)
        yield is_speech


def segments_from_probabilities(probabilities: NDArray[np.float32], duration_s: float) -> list[tuple[float, float]]:
    """Return the start and end of each segment of speech in seconds.

    Speech starts above one threshold and ends below a lower one. A short pause does not end a segment, and a short
    segment is dropped.

    Args:
        probabilities: (N,) of speech, one for each 32 ms.
        duration_s: duration of the recording.
    """
    block_s = BLOCK_SAMPLES / SAMPLING_RATE
    segments: list[list[float]] = []
    for number, is_speech in enumerate(follow_speech(probabilities.tolist())):
        if not is_speech:
            continue
        start_s, stop_s = number * block_s, (number + 1) * block_s
        if segments and start_s - segments[-1][1] < SHORTEST_SILENCE_S:
            segments[-1][1] = stop_s
        else:
            segments.append([start_s, stop_s])
    segments = [segment for segment in segments if segment[1] - segment[0] >= SHORTEST_SPEECH_S]
    padded: list[tuple[float, float]] = []
    for index, (start_s, stop_s) in enumerate(segments):
        before = (segments[index - 1][1] + start_s) / 2 if index else 0.0
        after = (stop_s + segments[index + 1][0]) / 2 if index + 1 < len(segments) else duration_s
        padded.append((max(before, start_s - PADDING_S), min(after, stop_s + PADDING_S)))
    return padded


def merge_segments(segments: Sequence[tuple[float, float]], longest_s: float) -> list[tuple[float, float]]:
    """Merge neighbouring segments that a short pause separates, up to a length of `longest_s` seconds."""
    merged: list[tuple[float, float]] = []
    for start_s, stop_s in segments:
        if merged and start_s - merged[-1][1] <= LONGEST_SILENCE_S and stop_s - merged[-1][0] <= longest_s:
            merged[-1] = merged[-1][0], stop_s
        else:
            merged.append((start_s, stop_s))
    return merged


class _Silero(nn.Module):
    """Silero's network: magnitudes of a short-time Fourier transform, four convolutions and an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        bins = FFT_SAMPLES // 2 + 1
        self.stft_conv = nn.Conv1d(1, 2 * bins, FFT_SAMPLES, stride=FFT_HOP_SAMPLES, bias=False)
        self.conv1 = nn.Conv1d(bins, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH // 2, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(WIDTH // 2, WIDTH // 2, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(WIDTH // 2, WIDTH, 3, padding=1)
        self.lstm = nn.LSTM(WIDTH, WIDTH)
        self.final_conv = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, blocks: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Compute the probabilities (N,) of consecutive blocks (N, 576), and the LSTM's state after them."""
        parts = self.stft_conv(pad(blocks[:, None], (0, CONTEXT_SAMPLES), mode="reflect"))  # (N, 258, 4)
        real, imaginary = parts.chunk(2, dim=1)
        hidden = (real.square() + imaginary.square()).sqrt()
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            hidden = convolution(hidden).relu()
        outputs, after = self.lstm(hidden.squeeze(-1), state)  # (N, 128)
        return self.final_conv(outputs.relu()[..., None]).sigmoid().flatten(), after


@cache
def _network() -> _Silero:
    spec = find_spec("silero_vad")
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0], "data", WEIGHTS) if folders else None
    if path is None or not path.is_file():
        raise InputError("voice activity detection needs the library silero-vad 6.2 or newer; pip install silero-vad")
    with catch_warnings():
        simplefilter("ignore")  # of torch.jit.load: a DeprecationWarning, and a FutureWarning since torch 2.14
        weights: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()
    network = _Silero()
    network.load_state_dict({ours: weights[theirs] for ours, theirs in _names()})
    return network.eval()


def _names() -> Iterator[tuple[str, str]]:
    """Yield the name of each parameter here, and that of the library's network for 16 kHz."""
    yield "stft_conv.weight", "_model.stft.forward_basis_buffer"
    for kind in ("weight", "bias"):
        for number in range(4):
            yield f"conv{number + 1}.{kind}", f"_model.encoder.{number}.reparam_conv.{kind}"
        for side in ("ih", "hh"):
            yield f"lstm.{kind}_{side}_l0", f"_model.decoder.rnn.{kind}_{side}"
        yield f"final_conv.{kind}", f"_model.decoder.decoder.2.{kind}"
