"""Rows of `benchmarks.gpu` that compare the ways to compute attention: a layer alone, and the whole encoder."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import torch

from benchmarks import encoder
from benchmarks.gpu_rows import Work, compare
from benchmarks.report import Report

TILES = ((128, 64, 4, 3), (128, 128, 8, 2), (64, 64, 4, 3))
"""Sizes of the Triton kernel to compare with its default: queries, keys, warps, stages."""
BLOCKS = (1 << 26, 1 << 28)
"""Biases in a block to compare with the default."""


@contextmanager
def chosen(name: str, *, biases: int | None = None, tile: tuple[int, ...] | None = None) -> Iterator[None]:
    """Compute attention on the device in this way, with other sizes of blocks or tiles."""
    from photism.encoder import gpu_attention
    from photism.encoder.kernels import current_kernels, use_kernels

    with ExitStack() as stack:
        stack.enter_context(patch.object(gpu_attention, "GPU_ATTENTION", name))
        stack.enter_context(patch.object(gpu_attention, "GPUS", ("cuda", "cpu")))  # the CPU in a rehearsal
        if biases:
            stack.callback(use_kernels, current_kernels())
            use_kernels(replace(current_kernels(), block_biases=biases))
        if tile:
            from photism.encoder import triton_attention

            stack.enter_context(patch.object(triton_attention, "TILE", triton_attention.Tile(*tile)))
        yield


def ways_to_attend(small: bool) -> dict[str, Callable[[], Any]]:
    """Return the ways to compute attention, by their names in the table."""
    ways: dict[str, Callable[[], Any]] = {name: partial(chosen, name) for name in ("blocks", "flex", "triton")}
    if small:
        return ways
    ways |= {f"blocks of 2^{size.bit_length() - 1}": partial(chosen, "blocks", biases=size) for size in BLOCKS}
    return ways | {f"triton, tile {tile}": partial(chosen, "triton", tile=tile) for tile in TILES}


def attention(report: Report, options: argparse.Namespace) -> None:
    """Compare the ways to compute self-attention with relative keys, of one layer."""
    clips, clip_s = (2, 2.0) if options.small else (32, 30.0)
    lengths_s = {"equal": (clip_s,) * clips, "packed": encoder.CORPUS_S[-4:] if options.small else encoder.CORPUS_S * 8}
    for name, seconds in lengths_s.items():
        for trains in (False, True):
            case = (
                f"attention of a layer, {len(seconds)} {name} clips, {'forward and backward' if trains else 'forward'}"
            )
            ways = ways_to_attend(options.small or trains)
            sides = {way: partial(attend, seconds, use, options, trains=trains) for way, use in ways.items()}
            if trains:
                sides.pop("triton")  # it computes gradients in blocks
            elif name == "equal":
                sides["without biases"] = partial(attend_without_biases, seconds, options)
            compare(report, case, sides, options)


def attend(seconds: tuple[float, ...], use: Callable[[], Any], options: argparse.Namespace, *, trains: bool) -> Work:
    """Return a function that runs the self-attention of one layer."""
    from transformers import Wav2Vec2BertConfig

    from photism.encoder.attention import SelfAttention
    from photism.encoder.packing import PackedBatch

    torch.manual_seed(0)
    features, mask = encoder.features_of(seconds, options)
    config = Wav2Vec2BertConfig()
    layer = SelfAttention(config, width=config.hidden_size, positions="relative_key")
    layer = layer.to(options.device, features.dtype).eval()
    packed = PackedBatch.from_mask(*mask.shape, mask)
    tokens = torch.randn(sum(packed.clip_lengths), config.hidden_size, device=options.device, dtype=features.dtype)

    def work() -> None:
        with use(), torch.set_grad_enabled(trains):
            attended = layer(tokens, packed, None).hidden_states
            if trains:
                attended.sum().backward()

    return work


def attend_without_biases(seconds: tuple[float, ...], options: argparse.Namespace) -> Work:
    """Return a function that runs torch's attention alone, without biases and linear layers, as a lower bound."""
    frames = round(seconds[0] * encoder.TOKENS_PER_S)
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    query, key, value = torch.randn(3, len(seconds), 16, frames, 64, device=options.device, dtype=dtype)
    return lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value)


def encode(report: Report, options: argparse.Namespace) -> None:
    """Compare the encoder with transformers, in each way to compute attention, with the rate of matrix products."""
    clips, clip_s = encoder.clips_of_30_s(options), 2.0 if options.small else 30.0
    seconds = (clip_s,) * clips
    ours = cache(partial(encoder.encode, seconds, encoder.OURS, options))  # one model for all ways
    ways = ("blocks", "flex", "triton")
    sides = {f"{encoder.OURS}, {way}": partial(with_attention, way, ours) for way in ways}
    sides[encoder.REFERENCE] = partial(encoder.encode, seconds, encoder.REFERENCE, options)
    case = f"encoder, {clips} clips of {clip_s:g} s"
    compare(report, case, sides, options)
    rate = max(encoder.gemm_flops(1 if options.small else clips, options).values())
    report.add("encoder, rate of matrix products", None, **{"TFLOP/s": rate / 1e12})
    for record in [each for each in report.records if each["case"] == case]:
        share = encoder.linear_flops(clip_s * clips, options.layers) / record["s"] / rate
        report.add("encoder, linear layers at that rate, of the time", record["side"], **{"%": 100 * share})


def with_attention(way: str, build: Callable[[], Work]) -> Work:
    """Return a function that encodes clips, with attention computed in this way."""
    work = build()

    def encode_chosen() -> None:
        with chosen(way):
            work()

    return encode_chosen
