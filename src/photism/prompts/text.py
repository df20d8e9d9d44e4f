"""Text prompts: encode captions with the text encoder of a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from photism.errors import InputError
from photism.extras import require
from photism.finite import check_finite
from photism.library_logging import quiet_libraries
from photism.locks import lock_of_models
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.cut_text import cut_words, report_cut_texts
from photism.prompts.plain_text import plain_text, user_text
from photism.prompts.prompt_weights import WeightedText, read_weights


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
    with lock_of_models(pipeline), plain_text(pipeline) as plain:
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
    pipeline: Any,
    texts: Sequence[str],
    *,
    length: int,
    dtype: torch.dtype,
    name: str = "text",
    is_long: bool = False,
    places: int | None = None,
) -> AudioPrompt:
    """Encode texts into prompts that can replace the prompts of recordings or be mixed with them.

    LoRA weights of the text encoder, tokens of textual inversion and weights of words have their effect.

    Args:
        pipeline: a diffusers pipeline with a text encoder.
        texts: B texts; with weights in the syntax of `prompt_weights`.
        length: S, number of tokens to keep. The text encoder is causal, so that the first tokens of a prompt are those
            of a shorter prompt.
        dtype: dtype of the result.
        name: what an error message calls the texts.
        is_long: encode texts that are longer in chunks of S tokens, each with BOS and EOS, instead of cutting them.
        places: number of tokens of a recording's prompt that a text replaces; words that do not fit are reported.

    Returns:
        Prompts of S tokens; with `is_long` of the same multiple of S for all texts.

    Raises:
        InputError: the pipeline has no text encoder, or compel is needed and not installed.
    """
    _check_text_encoder(pipeline, name)
    weighted = [read_weights(text, name) for text in texts]
    plain = [text if weights is None else weights.text for text, weights in zip(texts, weighted, strict=True)]
    limit = min(pipeline.tokenizer.model_max_length - 2, length - 1)  # EOS may be cut off, as the last token
    limit = limit if places is None else min(limit, places)
    with lock_of_models(pipeline), user_text():  # also for the tokenizers, which set padding and truncation for a call
        converted = [_converted(pipeline, text, pipeline.tokenizer) for text in plain]
        in_chunks = [is_long and bool(cut_words(pipeline.tokenizer, text, limit)) for text in converted]
        if not is_long:
            remedy = "long_text (--long-text) encodes it in chunks" if places is None else ""
            report_cut_texts(pipeline.tokenizer, converted, limit=limit, name=name, remedy=remedy)
        tokens, pooled = _encode(pipeline, plain)
        rows = [tokens[row : row + 1, :length] for row in range(len(texts))]
        for row, (text, weights) in enumerate(zip(plain, weighted, strict=True)):
            if weights is not None or in_chunks[row]:
                chunk = length if in_chunks[row] else None
                weights = weights or WeightedText([text], [1.0])
                rows[row] = _encode_weighted(pipeline, weights, chunk)[:, : None if chunk else length]
        longest = max(row.shape[1] for row in rows)
        if longest > length:
            empty = _encode(pipeline, [""])[0][:, :length]
            rows = [torch.cat([row, *[empty] * ((longest - row.shape[1]) // length)], dim=1) for row in rows]
    return AudioPrompt(torch.cat(rows).to(dtype), None if pooled is None else pooled.to(dtype))


@torch.no_grad()
def _encode_weighted(pipeline: Any, weighted: WeightedText, chunk: int | None) -> Tensor:
    """Return the embeddings of a text with weights by compel, (1, S, D) float32.

    Args:
        pipeline: a diffusers pipeline with a text encoder, or with the two of SD XL, whose embeddings are concatenated.
        weighted: parts of the text, with their weights.
        chunk: number of tokens of a chunk; None for the tokenizer's maximum, at which the text is cut.
    """
    require("compel", "a long text in chunks", "diffusion")
    from compel.embeddings_provider import EmbeddingsProvider, ReturnedEmbeddingsType, SplitLongTextMode

    is_xl = getattr(pipeline, "text_encoder_2", None) is not None
    layer = "PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED" if is_xl else "LAST_HIDDEN_STATES_NORMALIZED"
    embeddings: list[Tensor] = []
    for suffix in ("", "_2") if is_xl else ("",):
        tokenizer = getattr(pipeline, f"tokenizer{suffix}")
        provider: Any = EmbeddingsProvider(
            tokenizer=tokenizer,
            text_encoder=getattr(pipeline, f"text_encoder{suffix}"),
            truncate=chunk is None,
            returned_embeddings_type=ReturnedEmbeddingsType[layer],
            device=pipeline._execution_device,
            split_long_text_mode=SplitLongTextMode.WORDS,
            model_max_length=chunk,
        )
        parts = [_converted(pipeline, part, tokenizer) for part in weighted.parts]
        with quiet_libraries:
            found = provider.get_embeddings_for_weighted_prompt_fragments(
                [parts], [list(weighted.weights)], device=pipeline._execution_device
            )
        embeddings.append(found)
    tokens = torch.cat(embeddings, dim=-1)
    check_finite(tokens, "text embeddings", tokens.dtype)
    return tokens.float()


def count_tokens(text: str, pipeline: Any) -> int:
    """Count the tokens of a text, without its weights, BOS, EOS and padding.

    Raises:
        InputError: the pipeline has no text encoder.
    """
    _check_text_encoder(pipeline, "text")
    weighted = read_weights(text, "text")
    with user_text(), quiet_libraries:  # transformers warns of a long text, which `report_cut_texts` reports
        words = _converted(pipeline, text if weighted is None else weighted.text, pipeline.tokenizer)
        return len(pipeline.tokenizer.tokenize(words))


def _check_text_encoder(pipeline: Any, name: str) -> None:
    if getattr(pipeline, "text_encoder", None) is None:
        raise InputError(f"{name} needs a text encoder, which this diffusion pipeline lacks; load it with one")


def _converted(pipeline: Any, text: str, tokenizer: Any) -> str:
    """Replace each token of textual inversion that has several vectors by as many tokens."""
    return pipeline.maybe_convert_prompt(text, tokenizer) if hasattr(pipeline, "maybe_convert_prompt") else text
