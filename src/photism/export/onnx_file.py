"""Write the graph of a model as ONNX, and quantise it to int8."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photism.export.graph import Graph
from photism.library_logging import disable_telemetry

EXTERNAL_DATA_BYTES = 1 << 30
"""Size of the weights from which on they are a file of their own; one of protobuf holds less than 2 GiB."""
UNLIMITED_BYTES = 1 << 40
QUANTISED = ("MatMul", "Gemm")
"""Operators that are quantised. onnxruntime has no convolution in int8 that quantises its input as it runs."""


def write_onnx(
    graph: Graph,
    example: tuple[Tensor, Tensor],
    path: Path,
    *,
    opset: int,
    int8: bool,
    metadata: Mapping[str, str],
) -> None:
    """Trace a graph and write it, for any batch size and length.

    Args:
        graph: the model, in evaluation mode.
        example: inputs to trace it with.
        path: file to write; if the weights are large they are another file, `data_path(path)`.
        opset: version of ONNX's operators.
        int8: quantise the linear layers, with a scale for each output channel of the weights, and one for all inputs of
            a layer that is computed as it runs.
        metadata: entries of the file's `metadata_props`.
    """
    with _quiet():
        model = _trace(graph, example, opset)
        model.metadata_props.update(metadata)
        if not int8:
            _save(model, path)
            return
        in_float64 = [node.name for node in model.graph if node.op_type == "MatMul" and _is_float64(node)]
        unquantised = path.with_name(f"float32-{path.name}")
        _save(model, unquantised)
        del model
        _quantise(unquantised, path, excluded=in_float64)
        for file in (unquantised, data_path(unquantised)):
            file.unlink(missing_ok=True)


def data_path(path: Path) -> Path:
    """Return the file of a large model's weights."""
    return path.with_name(f"{path.name}.data")


def _trace(graph: Graph, example: tuple[Tensor, Tensor], opset: int) -> Any:
    """Return the graph as `onnx_ir.Model`, with constants folded."""
    from onnxscript import optimizer

    axes = {0: "batch", 1: graph.length_name}
    with torch.no_grad():
        program: Any = torch.onnx.export(
            graph,
            example,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple({axis: axes[axis] for axis in range(min(2, each.ndim))} for each in example),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    # The weights of pointwise convolutions become matrices, which are quantised only if nothing stands before them.
    limits = {"input_size_limit": UNLIMITED_BYTES, "output_size_limit": UNLIMITED_BYTES}
    optimizer.fold_constants(program.model, onnx_shape_inference=False, **limits)
    optimizer.remove_unused_nodes(program.model)
    outputs = set(program.model.graph.outputs)
    inner = [value for node in program.model.graph for value in node.outputs if value not in outputs]
    for value in (*inner, *program.model.graph.initializers.values()):
        value.shape = value.type = None  # onnxruntime infers them, and quantisation changes some
    return program.model


def _save(model: Any, path: Path) -> None:
    import onnx_ir

    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    onnx_ir.save(model, path, external_data=data_path(path).name if size >= EXTERNAL_DATA_BYTES else None)


def _quantise(source: Path, target: Path, *, excluded: list[str]) -> None:
    disable_telemetry()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=list(QUANTISED),
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=excluded,
        use_external_data_format=data_path(source).exists(),
    )


def _is_float64(product: Any) -> bool:
    """Return whether a constant factor of a product is in float64, as in the log-mel features."""
    return any(str(value.dtype) == "DOUBLE" for value in product.inputs if value.const_value is not None)


@contextmanager
def _quiet() -> Generator[None]:
    """Switch off the warnings of exporter and quantisation, which no user of a model can act on."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
