"""Where somebody speaks: Silero's voice activity detector, from the library silero-vad, which brings its weights.

The library's own network hears 32 ms at a time, and importing the library leaves torch a single thread. The network is
built here, with the library's weights: it hears what is not recurrent of many blocks at once. The tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.errors import InputError

BLOCK_SAMPLES = 512  # 32 ms, a probability each
CONTEXT_SAMPLES = 64  # of the block before
FFT_SAMPLES = 256
FFT_HOP_SAMPLES = 128
WIDTH = 128
BLOCKS_AT_ONCE = 2048  # 65 s
WEIGHTS = "silero_vad.jit"
"""Its safetensors are those of an older version. What torch.jit reads runs no Python."""

SPEECH_ABOVE = 0.5
"""Probability with which speech begins."""
SILENCE_BELOW = 0.35
"""Probability with which it may end."""
SHORTEST_SPEECH_S = 0.1
SHORTEST_SILENCE_S = 0.3
PADDING_S = 0.2
"""Of each span on either side, at most to the middle of the silence."""
LONGEST_SILENCE_S = 2.0
"""Within what is heard at once."""


def speech_spans(waveform: Waveform) -> list[tuple[float, float]]:
    """The seconds between which somebody speaks, ascending.

    Raises:
        InputError: the library silero-vad is missing.
    """
    return spans_of(speech_probabilities(waveform), waveform.duration_s)


@torch.inference_mode()
def speech_probabilities(waveform: Waveform) -> NDArray[np.float32]:
    """Of each 32 ms of a recording, the last of them filled up with zeros: (T / 512,)."""
    network = _network()
    samples = torch.tensor(waveform.samples)
    samples = pad(samples, (CONTEXT_SAMPLES, -len(samples) % BLOCK_SAMPLES))
    blocks = samples.unfold(0, CONTEXT_SAMPLES + BLOCK_SAMPLES, BLOCK_SAMPLES)  # (N, 576), a view
    state = None
    found: list[Tensor] = []
    for some in blocks.split(BLOCKS_AT_ONCE):
        probabilities, state = network(some, state)
        found.append(probabilities)
    return torch.cat(found).numpy()


def spans_of(probabilities: NDArray[np.float32], duration_s: float) -> list[tuple[float, float]]:
    """The seconds that are speech by the probabilities of their blocks of 32 ms.

    Speech begins above one threshold and ends below another; a short silence does not end it, a short sound is none.
    """
    block_s = BLOCK_SAMPLES / SAMPLING_RATE
    spans: list[list[float]] = []
    speaking = False
    for number, probability in enumerate(probabilities.tolist()):
        speaking = probability >= (SILENCE_BELOW if speaking else SPEECH_ABOVE)
        if not speaking:
            continue
        start_s, stop_s = number * block_s, (number + 1) * block_s
        if spans and start_s - spans[-1][1] < SHORTEST_SILENCE_S:
            spans[-1][1] = stop_s
        else:
            spans.append([start_s, stop_s])
    spans = [span for span in spans if span[1] - span[0] >= SHORTEST_SPEECH_S]
    padded: list[tuple[float, float]] = []
    for index, (start_s, stop_s) in enumerate(spans):
        before = (spans[index - 1][1] + start_s) / 2 if index else 0.0
        after = (stop_s + spans[index + 1][0]) / 2 if index + 1 < len(spans) else duration_s
        padded.append((max(before, start_s - PADDING_S), min(after, stop_s + PADDING_S)))
    return padded


def joined(spans: Sequence[tuple[float, float]], longest_s: float) -> list[tuple[float, float]]:
    """Spans that are heard at once: neighbours together, if no long silence is between them, up to a length."""
    pieces: list[tuple[float, float]] = []
    for start_s, stop_s in spans:
        if pieces and start_s - pieces[-1][1] <= LONGEST_SILENCE_S and stop_s - pieces[-1][0] <= longest_s:
            pieces[-1] = pieces[-1][0], stop_s
        else:
            pieces.append((start_s, stop_s))
    return pieces


class _Silero(nn.Module):
    """Magnitudes of a Fourier transform, four convolutions, an LSTM."""

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
        """(N, 576) blocks that follow one another, and the state before them -> (N,) and the state after."""
        parts = self.stft_conv(pad(blocks[:, None], (0, CONTEXT_SAMPLES), mode="reflect"))  # (N, 258, 4)
        real, imaginary = parts.chunk(2, dim=1)
        hidden = (real.square() + imaginary.square()).sqrt()
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            hidden = convolution(hidden).relu()
        outputs, after = self.lstm(hidden.squeeze(-1), state)  # (N, 128)
        return self.final_conv(outputs.relu()[..., None]).sigmoid().flatten(), after


@cache
def _network() -> _Silero:
    found = find_spec("silero_vad")
    places = found.submodule_search_locations if found is not None else None
    path = Path(places[0], "data", WEIGHTS) if places else None
    if path is None or not path.is_file():
        raise InputError("vad needs the library silero-vad, 6.2 or newer: pip install 'photism[transcribe]'")
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)
        weights: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()
    network = _Silero()
    network.load_state_dict({ours: weights[theirs] for ours, theirs in _names()})
    return network.eval()


def _names() -> Iterator[tuple[str, str]]:
    """Of our parameters, and of the library's for 16 kHz."""
    yield "stft_conv.weight", "_model.stft.forward_basis_buffer"
    for kind in ("weight", "bias"):
        for number in range(4):
            yield f"conv{number + 1}.{kind}", f"_model.encoder.{number}.reparam_conv.{kind}"
        for side in ("ih", "hh"):
            yield f"lstm.{kind}_{side}_l0", f"_model.decoder.rnn.{kind}_{side}"
        yield f"final_conv.{kind}", f"_model.decoder.decoder.2.{kind}"
