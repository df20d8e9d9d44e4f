"""Profile a layer of the encoder on the CPU, and compare it with the time of its matrix products alone.

`python -m benchmarks.encoder --profile` calls it. The products are timed by themselves, in the sizes that the layer
has, with the fastest library of this machine; their sum is the least time in which an exact layer can be computed.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.report import Report
from photism.encoder.conformer import ConformerLayer
from photism.encoder.kernel_choice import choose_kernels
from photism.encoder.kernels import current_kernels
from photism.encoder.onednn import linear_no_grad
from photism.encoder.packing import PackedBatch

TOKENS_PER_S = 50
DURATIONS_S = (10, 30, 60)
WHOLE, PRODUCTS = "the whole layer", "its products alone"
NOTE = (
    "A layer of the published width without gradients. Its products alone are the time of all matrix products of its "
    "linear layers and of its attention, each timed by itself with the fastest library. The rows below are by torch's "
    "profiler, in a call of its own. Kernels: "
)
KINDS = {
    "mkldnn::_linear_pointwise": "matrix products",
    "aten::addmm": "matrix products",
    "aten::mm": "matrix products",
    "aten::bmm": "matrix products",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention, fused",
    "aten::_softmax": "softmax",
    "aten::silu": "activations",
    "aten::glu": "activations",
    "aten::native_layer_norm": "normalisation",
    "aten::mkldnn_convolution": "depthwise convolution",
    "aten::copy_": "copies",
    "aten::cat": "copies",
    "aten::add_": "additions",
    "aten::add": "additions",
}
"""Kinds of operations, by the name that the profiler gives them."""


class Product(NamedTuple):
    """Products (rows, inner) · (inner, columns) of a layer, all of one size."""

    rows: int
    inner: int
    columns: int
    count: int


def products_of(tokens: int) -> list[Product]:
    """Return the matrix products of a layer of the published size."""
    rows = max(64, min(tokens, current_kernels().block_logits // tokens))
    blocks = 16 * tokens // rows  # of all heads, each with 64 values
    return [
        Product(tokens, 1024, 4096, 2),
        Product(tokens, 4096, 1024, 2),
        Product(tokens, 1024, 1024, 5),
        Product(tokens, 1024, 2048, 1),
        Product(rows, 64, tokens, blocks),
        Product(rows, tokens, 64, blocks),
    ]


def shortest(computations: Sequence[Callable[[], object]], runs: int) -> list[float]:
    """Return the shortest time of each computation in seconds; they run in turns, since the machine's speed varies."""
    times = [float("inf")] * len(computations)
    for _ in range(runs + 1):
        for number, compute in enumerate(computations):
            start = time.perf_counter()
            compute()
            times[number] = min(times[number], time.perf_counter() - start)
    return times


def computations_of(product: Product) -> list[Callable[[], object]]:
    """Return functions that compute a product of random matrices, one for each library."""
    left, right = torch.randn(product.rows, product.inner), torch.randn(product.columns, product.inner)
    return [lambda: linear_no_grad(left, right), lambda: torch.nn.functional.linear(left, right)]


@torch.inference_mode()
def print_profile(options: argparse.Namespace) -> None:
    """Print the profile of a layer at 10, 30 and 60 s, and write it to `options.output`."""
    import transformers

    torch.manual_seed(0)
    config = transformers.Wav2Vec2BertConfig()
    choose_kernels(config)
    layer = ConformerLayer(config).eval()
    columns = {seconds: profile_of(layer, seconds * TOKENS_PER_S, options.runs) for seconds in DURATIONS_S}
    report = Report("Profile of a layer of the encoder", options, NOTE + f"`{current_kernels()}`.")
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        values: dict[str, float | None] = {}
        for seconds, column in columns.items():
            values[f"{seconds} s, ms"] = column.get(name)
            if name == PRODUCTS:
                values[f"{seconds} s, % of the layer"] = 100 * column[PRODUCTS] / column[WHOLE]
        report.add(name, **values)
    report.print()


def profile_of(layer: ConformerLayer, tokens: int, runs: int) -> dict[str, float]:
    """Return the ms of a layer, of its products alone, and of each kind of operation by the profiler."""
    states, packed = torch.randn(tokens, 1024), PackedBatch(1, tokens)
    products = products_of(tokens)
    libraries = [computations_of(product) for product in products]
    whole, *times = shortest([lambda: layer(states, packed, None), *chain.from_iterable(libraries)], runs)
    fastest = [min(each) for each in zip(times[::2], times[1::2], strict=True)]
    alone = sum(product.count * seconds for product, seconds in zip(products, fastest, strict=True))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        layer(states, packed, None)
    found = {WHOLE: 1e3 * whole, PRODUCTS: 1e3 * alone}
    kinds: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        kinds[KINDS.get(event.key, "other")] += event.self_cpu_time_total / 1e3
    return found | dict(sorted(kinds.items(), key=lambda item: -item[1]))
