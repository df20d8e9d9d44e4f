"""Cache of caption embeddings: encode captions with a diffusion model's text encoder once, and memory-map the result.

    index.jsonl          a line a caption: its text, its number of tokens, whether the tokenizer truncated it
    tokens               float16 (captions, S - 1, D), without BOS
    pooled               float16 (captions, P), for Stable Diffusion XL
    space.safetensors    prompt space

The folder's name is a digest of the text encoder's weights and its tokenizer's vocabulary, so that embeddings of one
are never taken for those of another.
"""

from __future__ import annotations

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

from photism.errors import InputError, name_full_disk
from photism.files import atomic_path
from photism.prompts.prompt_space import PromptSpace
from photism.prompts.text import encode_text
from photism.prompts.text_encoder_digest import text_encoder_digest

CAPTIONS_AT_ONCE = 64
NORM_CAPTIONS = 1024
"""Captions of which the typical norm of the prompt space is the mean."""


@dataclass(frozen=True)
class TextEmbeddings:
    """Embeddings of captions, by the number of a caption in `captions`.

    Attributes:
        space: prompt space of the embeddings.
        captions: all captions in the folder.
        lengths: int64 (captions,), tokens of each with BOS and EOS; padding follows.
        is_truncated: whether the tokenizer truncated each caption.
    """

    space: PromptSpace
    captions: tuple[str, ...]
    lengths: Tensor
    is_truncated: tuple[bool, ...]
    _folder: Path

    def ids(self, captions: Sequence[str]) -> list[int]:
        """Return the numbers of captions.

        Raises:
            KeyError: a caption is not in the folder.
        """
        return [self._ids[caption] for caption in captions]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {caption: number for number, caption in enumerate(self.captions)}

    def tokens(self, ids: Tensor, count: int) -> Tensor:
        """Return the first `count` embeddings after BOS of captions (N,), float16 (N, count, D)."""
        shape = (len(self.captions), self.space.length - 1, self.space.width)
        mapped = np.memmap(self._folder / "tokens", np.float16, mode="r", shape=shape)
        return torch.from_numpy(mapped[ids.numpy(), :count])

    def pooled(self, ids: Tensor) -> Tensor | None:
        """Return the pooled embeddings of captions (N,), float16 (N, P); None if the space has none."""
        if self.space.pooled_width is None:
            return None
        shape = (len(self.captions), self.space.pooled_width)
        mapped = np.memmap(self._folder / "pooled", np.float16, mode="r", shape=shape)
        return torch.from_numpy(mapped[ids.numpy()])

    def is_padding(self, ids: Tensor, count: int) -> Tensor:
        """Return which of the first `count` positions after BOS follow EOS, bool (N, count)."""
        return torch.arange(1, 1 + count) >= self.lengths[ids, None]


def prepare_text_embeddings(
    captions: Sequence[str],
    pipeline: Any,
    cache: Path,
    *,
    name: str,
    on_captions: Callable[[int], None] = lambda count: None,
) -> TextEmbeddings:
    """Encode the captions that are not in the cache yet.

    Args:
        captions: distinct captions, any number.
        pipeline: diffusers pipeline with its text encoders.
        cache: folder that holds a folder for each text encoder.
        name: name of the prompt space.
        on_captions: called with the number of captions that are done.

    Raises:
        InputError: the pipeline has no text encoder, or its embeddings exceed float16.
    """
    folder = cache / text_encoder_digest(pipeline)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "space.safetensors").is_file():
        _save_space(PromptSpace.of(pipeline, name=name, captions=captions[:NORM_CAPTIONS]), folder)
    space = _load_space(folder, name)
    known = set(_read_index(folder))
    missing = [caption for caption in captions if caption not in known]
    _truncate(folder, space, len(known))
    for start in range(0, len(missing), CAPTIONS_AT_ONCE):
        on_captions(len(captions) - len(missing) + start)
        _append(folder, pipeline, missing[start : start + CAPTIONS_AT_ONCE])
    on_captions(len(captions))
    index = _read_index(folder)
    return TextEmbeddings(
        space=space,
        captions=tuple(index),
        lengths=torch.tensor([tokens for tokens, _ in index.values()]),
        is_truncated=tuple(is_truncated for _, is_truncated in index.values()),
        _folder=folder,
    )


def _append(folder: Path, pipeline: Any, captions: Sequence[str]) -> None:
    tokens, pooled = encode_text(pipeline, captions)
    lines = ""
    for caption in captions:
        length, is_truncated = _length(pipeline, caption)
        lines += json.dumps({"caption": caption, "tokens": length, "is_cut": is_truncated}, ensure_ascii=False) + "\n"
    _write(folder / "tokens", _float16(tokens[:, 1:]))
    if pooled is not None:
        _write(folder / "pooled", _float16(pooled))
    _write(folder / "index.jsonl", lines.encode())  # last: rows that it does not name are ignored


def _float16(embeddings: Tensor) -> bytes:
    half = embeddings.half()
    if not bool(half.isfinite().all()):
        raise InputError("the text encoder returns NaN or numbers beyond ±65504, the range of float16")
    return half.cpu().numpy().tobytes()


def _length(pipeline: Any, caption: str) -> tuple[int, bool]:
    """Return the number of a caption's tokens with BOS and EOS, and whether there would be more."""
    tokenizers = [getattr(pipeline, name, None) for name in ("tokenizer", "tokenizer_2")]
    # verbose would warn of each caption that is too long, which the report lists.
    counts = [len(each(caption, verbose=False).input_ids) for each in tokenizers if each is not None]
    longest = min(each.model_max_length for each in tokenizers if each is not None)
    return min(max(counts), longest), max(counts) > longest


def _truncate(folder: Path, space: PromptSpace, captions: int) -> None:
    """Remove rows whose line in the index was not written any more."""
    widths = {"tokens": (space.length - 1) * space.width, "pooled": space.pooled_width or 0}
    for name, width in widths.items():
        path = folder / name
        if path.is_file():
            os.truncate(path, captions * width * np.dtype(np.float16).itemsize)


def _read_index(folder: Path) -> dict[str, tuple[int, bool]]:
    """Return number of tokens and truncation of each caption, and remove an incomplete line."""
    path = folder / "index.jsonl"
    if not path.is_file():
        return {}
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        os.truncate(path, len(complete))
    rows = [json.loads(line) for line in complete.decode().split("\n") if line]
    return {row["caption"]: (row["tokens"], row["is_cut"]) for row in rows}


def _write(path: Path, content: bytes) -> None:
    with name_full_disk(path), path.open("ab") as file:
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
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a mapping)
        return PromptSpace(name=name, norm=float(file.metadata()["norm"]), **tensors)
