"""What the text encoder of a diffusion model makes of captions: computed once, kept on disk, memory-mapped.

    index.jsonl          a line a caption: its text, its tokens, whether the tokenizer cut it
    tokens               float16 (captions, S - 1, D), without the opening vector
    pooled               float16 (captions, P), for Stable Diffusion XL
    space.safetensors    the prompt space

The folder's name is a digest of the text encoder's weights and its tokenizer's words, so that captions of one are never
taken for those of another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from photism.errors import InputError
from photism.files import atomic_path
from photism.prompts.prompt_space import PromptSpace
from photism.prompts.text import encode_text

CAPTIONS_AT_ONCE = 64
MEASURED_CAPTIONS = 1024
"""Whose tokens the typical norm of the prompt space is the mean of."""


@dataclass(frozen=True)
class Targets:
    """The tokens of captions, by their number in `captions`.

    Attributes:
        space: the prompt space that they are of.
        captions: all that the folder holds.
        lengths: int64 (captions,), tokens of each from the opening to the end one; what follows is padding.
        is_cut: of each, whether the tokenizer left words out.
    """

    space: PromptSpace
    captions: tuple[str, ...]
    lengths: Tensor
    is_cut: tuple[bool, ...]
    _folder: Path

    def numbers(self, captions: Sequence[str]) -> list[int]:
        """Where the captions are.

        Raises:
            KeyError: one is not there.
        """
        return [self._number_of[caption] for caption in captions]

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {caption: number for number, caption in enumerate(self.captions)}

    def tokens(self, numbers: Tensor, count: int) -> Tensor:
        """Float16 (N, count, D): the first `count` tokens of captions (N,) after the opening one."""
        shape = (len(self.captions), self.space.length - 1, self.space.width)
        mapped = np.memmap(self._folder / "tokens", np.float16, mode="r", shape=shape)
        return torch.from_numpy(mapped[numbers.numpy(), :count])

    def pooled(self, numbers: Tensor) -> Tensor | None:
        """Float16 (N, P): the pooled vectors of captions (N,); None where the space has none."""
        if self.space.pooled_width is None:
            return None
        shape = (len(self.captions), self.space.pooled_width)
        mapped = np.memmap(self._folder / "pooled", np.float16, mode="r", shape=shape)
        return torch.from_numpy(mapped[numbers.numpy()])

    def is_padding(self, numbers: Tensor, count: int) -> Tensor:
        """Bool (N, count): which of the first `count` tokens after the opening one come after the end one."""
        return torch.arange(1, 1 + count) >= self.lengths[numbers, None]


def prepare_targets(
    captions: Sequence[str],
    pipeline: Any,
    cache: Path,
    *,
    name: str,
    on_captions: Callable[[int], None] = lambda count: None,
) -> Targets:
    """Encodes the captions that are not in the cache yet.

    Args:
        captions: any number, distinct.
        pipeline: a diffusers pipeline with its text encoders.
        cache: holds a folder for each text encoder.
        name: of the prompt space.
        on_captions: is told how many of the captions are done.

    Raises:
        InputError: the pipeline has no text encoder, or makes numbers that float16 cannot hold.
    """
    folder = cache / text_digest(pipeline)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "space.safetensors").is_file():
        _save_space(PromptSpace.of(pipeline, name=name, captions=captions[:MEASURED_CAPTIONS]), folder)
    space = _load_space(folder, name)
    known = set(_read_index(folder))
    missing = [caption for caption in captions if caption not in known]
    _truncate(folder, space, len(known))
    for start in range(0, len(missing), CAPTIONS_AT_ONCE):
        on_captions(len(captions) - len(missing) + start)
        _append(folder, pipeline, missing[start : start + CAPTIONS_AT_ONCE])
    on_captions(len(captions))
    index = _read_index(folder)
    return Targets(
        space=space,
        captions=tuple(index),
        lengths=torch.tensor([tokens for tokens, _ in index.values()]),
        is_cut=tuple(is_cut for _, is_cut in index.values()),
        _folder=folder,
    )


def text_digest(pipeline: Any) -> str:
    """Of all that decides what a pipeline makes of a text: classes, configurations, words and weights."""
    digest = hashlib.blake2b(type(pipeline).__name__.encode(), digest_size=12)
    for suffix in ("", "_2"):
        tokenizer, encoder = (getattr(pipeline, part + suffix, None) for part in ("tokenizer", "text_encoder"))
        if tokenizer is None or encoder is None:
            continue
        words = [sorted(tokenizer.get_vocab().items()), tokenizer.model_max_length, tokenizer.pad_token]
        digest.update(json.dumps([*words, encoder.config.to_diff_dict()], default=str).encode())
        for key, value in sorted(encoder.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _append(folder: Path, pipeline: Any, captions: Sequence[str]) -> None:
    tokens, pooled = encode_text(pipeline, captions)
    lines = ""
    for caption in captions:
        length, is_cut = _length(pipeline, caption)
        lines += json.dumps({"caption": caption, "tokens": length, "is_cut": is_cut}, ensure_ascii=False) + "\n"
    _write(folder / "tokens", _half(tokens[:, 1:]))
    if pooled is not None:
        _write(folder / "pooled", _half(pooled))
    _write(folder / "index.jsonl", lines.encode())  # last: what it does not name is not there


def _half(tokens: Tensor) -> bytes:
    half = tokens.half()
    if not bool(half.isfinite().all()):
        raise InputError("the text encoder must make numbers within ±65504; it makes others, or NaN")
    return half.cpu().numpy().tobytes()


def _length(pipeline: Any, caption: str) -> tuple[int, bool]:
    """Tokens of a caption, the opening and the end one included, and whether there would be more."""
    tokenizers = [getattr(pipeline, name, None) for name in ("tokenizer", "tokenizer_2")]
    # verbose: it would warn of each caption that is too long, which the report tells.
    counts = [len(each(caption, verbose=False).input_ids) for each in tokenizers if each is not None]
    longest = min(each.model_max_length for each in tokenizers if each is not None)
    return min(max(counts), longest), max(counts) > longest


def _truncate(folder: Path, space: PromptSpace, captions: int) -> None:
    """Takes away rows whose line in the index was not written any more."""
    widths = {"tokens": (space.length - 1) * space.width, "pooled": space.pooled_width or 0}
    for name, width in widths.items():
        path = folder / name
        if path.is_file():
            os.truncate(path, captions * width * np.dtype(np.float16).itemsize)


def _read_index(folder: Path) -> dict[str, tuple[int, bool]]:
    path = folder / "index.jsonl"
    if not path.is_file():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):  # a line that was being written
        os.truncate(path, len(whole))
    rows = [json.loads(line) for line in whole.decode().splitlines()]
    return {row["caption"]: (row["tokens"], row["is_cut"]) for row in rows}


def _write(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _save_space(space: PromptSpace, folder: Path) -> None:
    tensors = {"bos": space.bos, "negative": space.negative}
    if space.pooled_negative is not None:
        tensors["pooled_negative"] = space.pooled_negative
    path = folder / "space.safetensors"
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as unfinished:
        save_file(tensors, unfinished, metadata={"norm": str(space.norm)})


def _load_space(folder: Path, name: str) -> PromptSpace:
    with safe_open(folder / "space.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
        return PromptSpace(name=name, norm=float(file.metadata()["norm"]), **tensors)
