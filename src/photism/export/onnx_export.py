"""Export a checkpoint to ONNX: load, trace, write, and compare with torch before the file takes its place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from photism import __version__
from photism.audio.log_mel import FRAMES_PER_S
from photism.audio.waveform import SAMPLING_RATE
from photism.errors import InputError
from photism.export import onnx_asr
from photism.export.checkpoint import Exportable, load_exportable
from photism.export.graph import FeatureGraph, Graph, LogProbabilityGraph, SampleGraph
from photism.export.onnx_file import data_path, write_onnx
from photism.export.parity import TOLERANCES, as_features, as_samples, largest_difference, recordings
from photism.export.settings import FLOAT16, INT8, ExportSettings, check_libraries
from photism.files import atomic_files, check_writable
from photism.settings import SettingError, accepts


@dataclass(frozen=True)
class ExportedModel:
    """An ONNX file that was written.

    Attributes:
        path: the file.
        model: class of the model.
        inputs: names of its inputs.
        outputs: names of its outputs.
        size_bytes: size of the file, with that of the weights if they are another file.
        difference: largest difference of an output from torch in float32, as a fraction of its largest absolute value.
    """

    path: Path
    model: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size_bytes: int
    difference: float

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        return asdict(self) | {"path": str(self.path)}

    def __str__(self) -> str:
        """Return a summary in two lines."""
        return (
            f"{self.path} ({self.size_bytes / 1e6:.1f} MB): {self.model}, {', '.join(self.inputs)} -> "
            f"{', '.join(self.outputs)}\nLargest difference from torch in float32: {self.difference:.1e}"
        )


@accepts(ExportSettings)
def export_onnx(model: str | Path, output: str | Path, *, force: bool = False, **settings: Any) -> ExportedModel:
    """Export a checkpoint to ONNX.

    The file is compared with the model in torch, on a batch of recordings of different lengths, before it takes its
    place. If the weights are above 1 GB, they are in a second file with the suffix `.data`.

    Args:
        model: folder or hub id of Wav2Vec2-BERT with any head, or of an AudioPromptEncoder; `tiny` and `tiny/language`
            are the bundled ones.
        output: file to write; a folder for onnx-asr.
        force: overwrite existing files.
        settings: settings of `ExportSettings`.

    Raises:
        InputError: a library is missing, a file cannot be written, or the checkpoint cannot be exported. All of this is
            checked before weights are loaded.
        SettingError: a setting is out of range, or the model computes something else in this data type.
    """
    chosen = ExportSettings(**settings)
    check_libraries()
    path = _plan(Path(output), Path(model), chosen, force=force)
    exportable = load_exportable(model, ctc_only=chosen.onnx_asr)
    graph: Graph = FeatureGraph(exportable.model).eval()
    if chosen.onnx_asr and exportable.vocabulary is not None:
        onnx_asr.check_vocabulary(exportable.vocabulary)
        graph = LogProbabilityGraph(exportable.model, exportable.vocabulary).eval()
    waveforms = recordings()
    inputs = as_features(waveforms, exportable)
    with torch.no_grad():
        expected = graph(*inputs)
    if chosen.dtype == FLOAT16:
        exportable.model.half()
    if chosen.takes_samples:
        graph, inputs = SampleGraph(graph, exportable).eval(), as_samples(waveforms)
    path.parent.mkdir(exist_ok=True)
    with atomic_files(path.parent, name=path.name) as part:
        written = part / path.name
        example = inputs[0][:2], inputs[1][:2]
        metadata = _metadata(exportable, chosen)
        write_onnx(graph, example, written, opset=chosen.opset, int8=chosen.dtype == INT8, metadata=metadata)
        difference = largest_difference(written, graph, inputs, expected)
        _check_difference(difference, chosen.dtype)
        size = sum(file.stat().st_size for file in part.iterdir())
        if chosen.onnx_asr and exportable.vocabulary is not None:
            onnx_asr.write_files(part, exportable.vocabulary, frame_s=_frame_s(exportable))
        if not data_path(written).exists():
            data_path(path).unlink(missing_ok=True)  # the weights of the file that is replaced
    return ExportedModel(path, type(exportable.model).__name__, graph.inputs, graph.outputs, size, difference)


def _plan(output: Path, model: Path, settings: ExportSettings, *, force: bool) -> Path:
    """Return the file to write, after checking it and those that are written with it."""
    if not settings.onnx_asr:
        for path in (output, data_path(output)):
            check_writable(path, "-o", force=force)
        return output
    if output.exists() and not output.is_dir():
        raise InputError(f"-o {output} is a file; onnx-asr needs a folder")
    if output.is_dir() and model.is_dir() and output.samefile(model):
        raise InputError(f"-o {output} is the folder of the model, whose config.json would be overwritten")
    path = output / onnx_asr.MODEL_FILES[settings.dtype]
    if not output.exists():
        check_writable(output, "-o", force=force)
        return path
    for name in (path.name, data_path(path).name, onnx_asr.VOCABULARY_FILE, onnx_asr.CONFIG_FILE):
        check_writable(output / name, "-o", force=force)
    return path


def _metadata(exportable: Exportable, settings: ExportSettings) -> dict[str, str]:
    """Return what a user of the file needs to know, as `metadata_props`; lists are JSON."""
    metadata = {
        "photism_version": __version__,
        "model": type(exportable.model).__name__,
        "dtype": settings.dtype,
        "sampling_rate": str(SAMPLING_RATE),
        "num_mel_bins": str(exportable.num_mel_bins),
        "stride": str(exportable.stride),
        "padding_value": str(exportable.padding_value),
        "frame_s": str(_frame_s(exportable)),
    }
    if exportable.labels:
        metadata["labels"] = json.dumps(exportable.labels, ensure_ascii=False)
    if exportable.vocabulary is not None:
        metadata["vocabulary"] = json.dumps(exportable.vocabulary.tokens, ensure_ascii=False)
        metadata["blank_id"] = str(exportable.vocabulary.blank_id)
    return metadata


def _frame_s(exportable: Exportable) -> float:
    """Return the seconds from one frame of the encoder to the next."""
    config = exportable.model.config
    adapter = config.adapter_stride**config.num_adapter_layers if getattr(config, "add_adapter", False) else 1
    return adapter * exportable.stride / FRAMES_PER_S


def _check_difference(difference: float, dtype: str) -> None:
    if difference <= TOLERANCES[dtype]:
        return
    problem = f"the outputs in onnxruntime differ from torch by {difference:.1g} of their largest value"
    if dtype == "float32":
        raise RuntimeError(f"{problem}; nothing was written")
    raise SettingError("dtype", f"must be float32 for this model: in {dtype}, {problem}")
