"""Compare a model in torch with its ONNX files in onnxruntime: size and CPU time, in turns.

    python -m benchmarks.export [--layers 6] [--seconds 1 5 20] [--runs 5]

The model is a CTC model of the published width with --layers layers and random weights, which takes samples: Photism's
in float32 and in int8, and its ONNX files in each data type. All sides run in turns in one process on one thread, and
their CPU time is measured, so that other programs on the machine matter little. Prints the size of the weights, and for
each duration the median in seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers

from benchmarks.report import Report, add_output_option
from photism.audio.log_mel import log_mel
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.int8 import quantize_int8
from photism.export.onnx_export import export_onnx
from photism.export.settings import DTYPES
from tests.support.tiny_ctc import TOKENS, make_tokenizer

Side = Callable[[np.ndarray], object]


def make_checkpoint(folder: Path, layers: int) -> Wav2Vec2BertForCTC:
    """Write the checkpoint and return its model."""
    torch.manual_seed(0)
    model = Wav2Vec2BertForCTC(transformers.Wav2Vec2BertConfig(num_hidden_layers=layers, vocab_size=len(TOKENS)))
    model.save_pretrained(folder)
    extractor = transformers.SeamlessM4TFeatureExtractor(padding_value=1)
    transformers.Wav2Vec2BertProcessor(extractor, make_tokenizer(folder)).save_pretrained(folder)
    return model.eval()


def in_torch(model: torch.nn.Module) -> Side:
    """Return a function that computes the logits of samples (T,) in torch."""

    @torch.inference_mode()
    def compute(samples: np.ndarray) -> object:
        return model(log_mel([samples], padding_value=1.0).input_features).logits

    return compute


def in_onnxruntime(path: Path) -> Side:
    """Return a function that computes the logits of samples (T,) with a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda samples: session.run(
        ["logits"], {"input_values": samples[None], "input_lengths": np.array([len(samples)])}
    )


def measure(sides: dict[str, Side], samples: np.ndarray, runs: int) -> dict[str, list[float]]:
    """Return the CPU time of each run of each side, in seconds; a first run of each is not counted."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, side in sides.items():
            start = time.process_time()
            side(samples)
            if run:
                times[name].append(time.process_time() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1, 5, 20])
    parser.add_argument("--runs", type=int, default=5)
    add_output_option(parser)
    options = parser.parse_args()
    options.threads = 1
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_checkpoint(folder / "model", options.layers)
        sides = {"torch, float32": in_torch(model), "torch, int8": in_torch(quantize_int8(model))}
        megabytes: dict[str, int | None] = dict.fromkeys(sides)
        for dtype in DTYPES:
            exported = export_onnx(folder / "model", folder / f"{dtype}.onnx", dtype=dtype, log_mel=True)
            sides[f"onnxruntime, {dtype}"] = in_onnxruntime(exported.path)
            megabytes[f"onnxruntime, {dtype}"] = round(exported.size_bytes / 1e6)
        generator = np.random.default_rng(0)
        columns = {
            seconds: measure(sides, generator.standard_normal(int(seconds * 16_000), np.float32) / 10, options.runs)
            for seconds in options.seconds
        }
    report = Report(f"A CTC model of {options.layers} layers, in torch and onnxruntime", options)
    for side in sides:
        times = {f"CPU s for {seconds:g} s": column[side] for seconds, column in columns.items()}
        report.add(side, None, MB=megabytes[side], **times)
    report.print()


if __name__ == "__main__":
    main()
