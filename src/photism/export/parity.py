"""Compare an ONNX file in onnxruntime with its model in torch, on recordings of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from photism.audio.log_mel import log_mel
from photism.audio.waveform import SAMPLING_RATE
from photism.export.checkpoint import Exportable
from photism.export.graph import LENGTHS, Graph
from photism.library_logging import disable_telemetry

DURATIONS_S = (1.9, 0.6, 1.3)
"""Durations of the recordings, which are noise."""
TOLERANCES = {"float32": 1e-3, "float16": 0.05, "int8": 0.5}
"""Largest difference of an output, as a fraction of its largest absolute value."""


def recordings(durations_s: Sequence[float] = DURATIONS_S) -> list[Tensor]:
    """Return seeded noise of these durations, (T,) at 16 kHz each."""
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(int(seconds * SAMPLING_RATE), generator=generator) for seconds in durations_s]


def as_features(waveforms: Sequence[Tensor], exportable: Exportable) -> tuple[Tensor, Tensor]:
    """Return the features (B, F, D) of waveforms and their mask (B, F)."""
    features, mask = log_mel(
        waveforms,
        num_mel_bins=exportable.num_mel_bins,
        stride=exportable.stride,
        padding_value=exportable.padding_value,
    )
    return features, mask.long()


def as_samples(waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return waveforms padded to (B, T), and their lengths (B,)."""
    return pad_sequence(list(waveforms), batch_first=True), torch.tensor([len(each) for each in waveforms])


def largest_difference(path: Path, graph: Graph, inputs: tuple[Tensor, Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest difference of an output of a file, as a fraction of its largest absolute value.

    Args:
        path: ONNX file.
        graph: what it was traced from.
        inputs: its inputs.
        expected: outputs of the model in torch. Frames of padding are not compared.

    Returns:
        the difference; infinity if a number of frames differs, or a value is finite in one of both only.
    """
    disable_telemetry()
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {name: tensor.numpy() for name, tensor in zip(graph.inputs, inputs, strict=True)}
    found = dict(zip(graph.outputs, map(torch.from_numpy, session.run(list(graph.outputs), given)), strict=True))
    wanted = dict(zip(graph.outputs, expected, strict=True))
    lengths = wanted.pop(LENGTHS, None)
    if lengths is not None and not torch.equal(found[LENGTHS], lengths):
        return float("inf")
    return max(_difference(found[name], tensor, lengths) for name, tensor in wanted.items())


def _difference(found: Tensor, wanted: Tensor, lengths: Tensor | None) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    if lengths is not None:
        is_frame = torch.arange(wanted.shape[1]) < lengths[:, None]
        found, wanted = found[is_frame], wanted[is_frame]
    is_finite = wanted.isfinite()  # tokens without text have a log-probability of -inf
    if wanted.isnan().any() or not torch.equal(found.isfinite(), is_finite):
        return float("inf")
    return ((found - wanted)[is_finite].abs().max() / wanted[is_finite].abs().max()).item()
