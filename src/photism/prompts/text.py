"""Text prompts: encode captions with the text encoder of a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from photism.errors import InputError
from photism.finite import check_finite
from photism.library_logging import quiet_libraries
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.plain_text import plain_text, user_text


def encode_text(pipeline: Any, captions: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    """Encode captions with a diffusion pipeline's text encoder, without what a user added to it.

    Args:
        pipeline: a diffusers pipeline with `encode_prompt`.
        captions: B texts. A caption that exceeds the tokenizer's maximum length is truncated without a warning.

    Returns:
        The prompt embeddings, (B, S, D) float32, and the pooled embeddings of SD XL, (B, P) float32, or None.

    Raises:
        NotFiniteError: the text encoder returns NaN or infinity.
    """
    with plain_text(pipeline) as plain:
        return _encode(plain, captions)


@torch.no_grad()
def _encode(pipeline: Any, texts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    """Encode texts as the pipeline itself would."""
    with quiet_libraries:
        encoded = pipeline.encode_prompt(
            list(texts),
            device=pipeline._execution_device,  # with offloading, not the device that holds the weights
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
    tokens, pooled = encoded[0], encoded[2] if len(encoded) == 4 else None
    for name, embeddings in (("text embeddings", tokens), ("pooled text embeddings", pooled)):
        if embeddings is not None:
            check_finite(embeddings, name, embeddings.dtype)
    return tokens.float(), None if pooled is None else pooled.float()


def encode_text_prompt(
    pipeline: Any, texts: Sequence[str], *, length: int, dtype: torch.dtype, name: str = "text"
) -> AudioPrompt:
    """Encode texts into prompts that can replace the prompts of recordings or be mixed with them.

    LoRA weights of the text encoder and tokens of textual inversion have their effect, as in the pipeline's own call.

    Args:
        pipeline: a diffusers pipeline with a text encoder.
        texts: B texts.
        length: S, number of tokens to keep. The text encoder is causal, so that the first tokens of a prompt are those
            of a shorter prompt.
        dtype: dtype of the result.
        name: what an error message calls the texts.

    Raises:
        InputError: the pipeline has no text encoder.
    """
    if getattr(pipeline, "text_encoder", None) is None:
        raise InputError(f"{name} needs a text encoder, which this diffusion pipeline lacks; load it with one")
    with user_text():
        tokens, pooled = _encode(pipeline, texts)
    return AudioPrompt(tokens[:, :length].to(dtype), None if pooled is None else pooled.to(dtype))


def count_tokens(text: str, pipeline: Any) -> int:
    """Count the tokens of a text, without BOS, EOS and padding."""
    if hasattr(pipeline, "maybe_convert_prompt"):  # a token of textual inversion may have several vectors
        text = pipeline.maybe_convert_prompt(text, pipeline.tokenizer)
    return len(pipeline.tokenizer.tokenize(text))
