"""Choose the fastest kernels of float32 on this machine's CPU by measurement.

The first time that a model of real size is loaded, each alternative is timed, in a fraction of a second. The choice is
kept in the user's cache folder, for this CPU, version of torch, number of threads and size of model. The environment
variable PHOTISM_KERNELS pins it: "default", or fields such as "attention=torch,tokens_at_once=512".
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, fields, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch

from photism.encoder.attention import SelfAttention
from photism.encoder.conformer import FeedForward
from photism.encoder.kernels import ONEDNN, TORCH, Kernels, current_kernels, use_kernels
from photism.encoder.packing import PackedBatch
from photism.errors import InputError
from photism.user_cache import cache_folder, keep

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

VARIABLE = "PHOTISM_KERNELS"
SMALLEST_WIDTH = 512
"""Width from which on a model is of real size; the choice makes no difference for the bundled ones."""
PRODUCTS = (Kernels(products=TORCH), Kernels(products=ONEDNN))
"""The first stays unless the other is clearly faster: gradients for weights need transposed products, for which oneDNN
copies its inputs."""
TOKENS_AT_ONCE = (512, 256)
ATTENTION = (
    {"attention": TORCH},
    {"attention": ONEDNN},
)
"""The first of each stays unless another is clearly faster: the one with fewer and longer parallel computations, whose
threads wait less for each other while other programs use the CPU."""
UNDER_LOAD = Kernels(tokens_at_once=512, attention=TORCH)
"""Kernels of a machine that is too busy to measure."""
ROUNDS = 3
"""Times that each alternative is timed, in turns; its shortest time counts."""
MARGIN = 0.95
"""Fraction of the first one's time below which another is chosen: less may be chance."""
ATTENTION_MARGIN = 0.75
"""The same for attention head by head: while another program used one core, it took several times as long."""
LONGEST_S = 1.0
"""Time after which a comparison is given up: the machine is busy, and the next load tries again."""
FEED_FORWARD_TOKENS, ATTENTION_TOKENS, HEADS = 512, 1500, 4

_lock = Lock()


def choose_kernels(config: Wav2Vec2BertConfig) -> None:
    """Use the fastest kernels for a model on this machine's CPU, measured now or before; none for a small model.

    Raises:
        InputError: the environment variable names a kernel that does not exist.
    """
    if config.hidden_size < SMALLEST_WIDTH:
        return
    if pinned := os.environ.get(VARIABLE):
        use_kernels(parse_kernels(pinned))
        return
    with _lock:
        path, key = cache_path(), _key(config)
        known = _read(path)
        found = _from_json(known.get(key))
        if found is None:
            found = measure_kernels(config)
            if found is not None:
                content = json.dumps(known | {key: asdict(found)}, indent=1)
                keep(path, lambda unfinished: unfinished.write_text(content, "utf8"))
        use_kernels(found or UNDER_LOAD)


def parse_kernels(text: str) -> Kernels:
    """Return the kernels that a text such as "default" or "attention=torch,tokens_at_once=512" names.

    Raises:
        InputError: it names one that does not exist.
    """
    pairs = [] if text == "default" else [each.partition("=") for each in text.split(",")]
    given: dict[str, Any] = {name.strip(): value.strip() for name, _, value in pairs}
    found = _from_json({name: int(value) if value.isdecimal() else value for name, value in given.items()})
    if found is None:
        names = ", ".join(field.name for field in fields(Kernels))
        raise InputError(f"{VARIABLE} must be default, or fields=values of {names}; got {text}")
    return found


def measure_kernels(config: Wav2Vec2BertConfig) -> Kernels | None:
    """Time the alternatives with random weights, and return the fastest; None if the machine is too busy for that.

    Args:
        config: configuration of the model, for its width and its heads.
    """
    before = current_kernels()
    feed_forward = FeedForward(config, width=config.hidden_size, activation=config.hidden_act).eval()
    tokens = torch.randn(FEED_FORWARD_TOKENS, config.hidden_size)
    some_heads = copy(config)  # a few heads show what is faster for all
    width = HEADS * config.hidden_size // config.num_attention_heads
    some_heads.hidden_size, some_heads.num_attention_heads = width, HEADS
    attention = SelfAttention(some_heads, width=width, positions=config.position_embeddings_type).eval()
    states, packed = torch.randn(ATTENTION_TOKENS, width), PackedBatch(1, ATTENTION_TOKENS)
    try:
        with torch.inference_mode():
            chosen = _fastest(PRODUCTS, lambda: feed_forward(tokens[:256]))
            sizes = [replace(chosen, tokens_at_once=size) for size in TOKENS_AT_ONCE] if chosen else []
            chosen = _fastest(sizes, lambda: feed_forward(tokens))
            ways = [replace(chosen, **changes) for changes in ATTENTION] if chosen else []
            return _fastest(ways, lambda: attention(states, packed, None), ATTENTION_MARGIN)
    finally:
        use_kernels(before)


def _fastest(candidates: Sequence[Kernels], compute: Callable[[], object], margin: float = MARGIN) -> Kernels | None:
    """Return the candidate with which a computation is fastest: the first, unless another is clearly faster.

    Return None if there are no candidates, or if it takes too long to find out.
    """
    if not candidates:
        return None
    began = time.perf_counter()
    shortest = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        if time.perf_counter() - began > LONGEST_S:
            return None
        for candidate in candidates:
            use_kernels(candidate)
            start = time.perf_counter()
            compute()
            shortest[candidate] = min(shortest[candidate], time.perf_counter() - start)
    fastest = min(shortest, key=lambda each: shortest[each])
    return fastest if shortest[fastest] < margin * shortest[candidates[0]] else candidates[0]


def cache_path() -> Path:
    """Return the file that keeps what was measured."""
    return cache_folder() / "kernels.json"


def _key(config: Wav2Vec2BertConfig) -> str:
    size = f"{config.hidden_size}/{config.intermediate_size}/{config.num_attention_heads}"
    return f"{cpu_name()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {size}"


def cpu_name() -> str:
    """Return the maker's name of the CPU, with the numbers that distinguish its generations where Linux has them."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text("utf8").partition("\n\n")
    except OSError:
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in first.split("\n")]
    values = {name.strip(): value.strip() for name, _, value in lines}
    return " ".join(values[name] for name in ("model name", "cpu family", "model", "stepping") if name in values)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of the cache; nothing if it cannot be read."""
    try:
        content = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _from_json(values: Any) -> Kernels | None:
    """Return the kernels of these fields; None if a field or a value does not exist."""
    default = Kernels()
    if not isinstance(values, dict) or not values.keys() <= asdict(default).keys():
        return None
    kernels = replace(default, **values)
    libraries = (kernels.products, kernels.attention)
    sizes = (kernels.tokens_at_once, kernels.block_logits, kernels.block_biases)
    has_libraries = all(each in (ONEDNN, TORCH) for each in libraries)
    return kernels if has_libraries and all(type(each) is int and each > 0 for each in sizes) else None
