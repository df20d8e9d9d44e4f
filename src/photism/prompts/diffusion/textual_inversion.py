"""Find and check embeddings of textual inversion, and add them to the text encoders of a diffusers pipeline.

An embedding is one or more vectors that stand for a token in a text. Gal et al., "An Image is Worth One Word", 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photism.errors import InputError, as_input_error
from photism.library_logging import quiet_libraries
from photism.prompts.diffusion.adapter_file import adapter_file
from photism.prompts.diffusion.file_kinds import TEXTUAL_INVERSION, recognise, refuse
from photism.prompts.diffusion.unet_fit import MODELS
from photism.prompts.plain_text import PLAIN_TOKENIZERS, TEXT_ENCODERS
from photism.prompts.settings import PipelineSettings
from photism.weights import check_floats, read_headers

A1111_KEY = "emb_params"
XL_KEYS = ("clip_l", "clip_g")
"""Names of the vectors for the first and the second text encoder of Stable Diffusion XL."""
PICKLED_TENSORS = "({'emb_params': w['string_to_param']['*']} if 'string_to_param' in w else w)"


@dataclass(frozen=True, eq=False)
class Embedding:
    """A token and its vectors.

    Attributes:
        source: where it comes from, as the user named it.
        token: what stands for the vectors in a text.
        vectors: for each text encoder, (N, width) where N is at least 1.
    """

    source: str
    token: str
    vectors: tuple[Tensor, ...]


def find_embeddings(settings: PipelineSettings, unet_config: Mapping[str, Any]) -> tuple[Embedding, ...]:
    """Read embeddings and check that they fit the text encoders that a UNet was trained with.

    Args:
        settings: of the pipeline.
        unet_config: configuration of the UNet.

    Raises:
        InputError: one cannot be found or read, is for another model, or has the token of another one.
    """
    found: dict[str, Embedding] = {}
    for source, token in settings.embeddings:
        embedding = _read(str(source), token, unet_config)
        if embedding.token in found:
            raise InputError(
                f"embedding {source} has the token {embedding.token} of {found[embedding.token].source}; name another "
                f"one: {source}:TOKEN"
            )
        found[embedding.token] = embedding
    return tuple(found.values())


def add_embeddings(pipeline: Any, embeddings: tuple[Embedding, ...]) -> None:
    """Add embeddings to the tokenizers and text encoders of a pipeline, which keeps its tokenizers for `plain_text`.

    Raises:
        InputError: it has no text encoder, or its tokenizer has a token already.
    """
    if not embeddings:
        return
    encoders = [name for name in TEXT_ENCODERS if getattr(pipeline, name, None) is not None]
    tokenizers = [name.replace("text_encoder", "tokenizer") for name in encoders]
    setattr(pipeline, PLAIN_TOKENIZERS, {name: deepcopy(getattr(pipeline, name)) for name in tokenizers})
    for embedding in embeddings:
        name = f"embedding {embedding.source}"
        if len(encoders) != len(embedding.vectors):
            raise InputError(f"{name} needs the text encoder of diffusion; load it with one")
        for encoder, tokenizer, vectors in zip(encoders, tokenizers, embedding.vectors, strict=True):
            with as_input_error(f"{name} cannot be loaded"), quiet_libraries:
                pipeline.load_textual_inversion(
                    vectors,
                    token=embedding.token,
                    tokenizer=getattr(pipeline, tokenizer),
                    text_encoder=getattr(pipeline, encoder),
                )


def _read(source: str, token: str | None, unet_config: Mapping[str, Any]) -> Embedding:
    """Read an embedding in one of the layouts of diffusers, A1111 or Stable Diffusion XL."""
    from safetensors.torch import load_file

    path = adapter_file("embedding", source, tensors=PICKLED_TENSORS)
    name = f"embedding {source}"
    headers = read_headers([path], name)
    keys = list(XL_KEYS if set(headers) == set(XL_KEYS) else headers)
    if recognise(keys) != TEXTUAL_INVERSION:
        raise refuse("embedding", source, recognise(keys))
    if len(keys) > len(XL_KEYS) or any(len(headers[key].shape) not in (1, 2) for key in keys):
        raise InputError(f"{name} must have one tensor of vectors, or clip_l and clip_g for Stable Diffusion XL")
    check_floats(headers, name)
    _check_widths([headers[key].shape[-1] for key in keys], unet_config, name)
    weights = load_file(path)
    vectors = tuple(torch.atleast_2d(weights[key]).float() for key in keys)
    if not all(each.isfinite().all() for each in vectors):
        raise InputError(f"{name} is damaged: its vectors are not finite")
    named_inside = len(keys) == 1 and keys[0] not in (A1111_KEY, "*")
    token = token or (keys[0] if named_inside else Path(path).stem)
    if any(character.isspace() for character in token):
        raise InputError(f"{name} must have a token without spaces; name one: {source}:TOKEN")
    return Embedding(source, token, vectors)


def _check_widths(widths: list[int], unet_config: Mapping[str, Any], name: str) -> None:
    """Check that there are vectors for each text encoder: together they are as wide as a prompt."""
    expected, count = unet_config.get("cross_attention_dim"), 2 if unet_config.get("addition_embed_type") else 1
    if sum(widths) != expected or len(widths) != count:
        model = "Stable Diffusion XL" if len(widths) == 2 else MODELS.get(widths[0], "another model")
        needed = "vectors for both of its text encoders, of a width together" if count == 2 else "vectors of the width"
        raise InputError(
            f"{name} is for {model} (vectors of width {' and '.join(map(str, widths))}); diffusion needs {needed} "
            f"of {expected}"
        )
