"""The texts of a call: prompts and negative prompts, given as text or as embeddings, checked and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.components import Components
from photism.audioldm2.prompt_embeds import PromptEmbeds, TextEmbeds, check_negative_embeds, read_text_embeds
from photism.audioldm2.settings import SPEECH_CHECKPOINTS, SoundSettings
from photism.audioldm2.text_encoding import TextEncoder, TextKey, join_encodings
from photism.errors import InputError
from photism.settings import SettingError

GivenEmbeds: TypeAlias = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Arguments of a call: prompt_embeds, attention_mask and generated_prompt_embeds, or their negative counterparts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextInputs:
    """Prompts and negative prompts of a call.

    Attributes:
        prompts: texts of the prompts; empty if their embeddings are given.
        negatives: texts of the negative prompts, one for all prompts or one for each; empty if their embeddings are
            given, and without guidance.
        prompt_embeds: embeddings of the prompts that are given.
        negative_embeds: embeddings of the negative prompts that are given; None without guidance.
        rows: number of prompts.
        new_tokens: number of states that the language model generates for each.
    """

    prompts: Sequence[TextKey]
    negatives: Sequence[TextKey]
    prompt_embeds: TextEmbeds | None
    negative_embeds: TextEmbeds | None
    rows: int
    new_tokens: int


def read_text_inputs(
    prompt: Any,
    prompt_embeds: GivenEmbeds,
    negative_embeds: GivenEmbeds,
    *,
    settings: SoundSettings,
    checkpoint: AudioLDM2Checkpoint,
    is_guided: bool,
) -> TextInputs:
    """Check the prompts and negative prompts of a call.

    Args:
        prompt: text or texts; None with embeddings.
        prompt_embeds: embeddings of the prompts.
        negative_embeds: embeddings of the negative prompts.
        settings: settings with the texts of the negative prompts and the words to speak.
        checkpoint: checkpoint that generates.
        is_guided: whether negative prompts are used.

    Raises:
        InputError: texts and embeddings are missing, exclude each other or do not fit together.
    """
    given = read_text_embeds(*prompt_embeds, checkpoint=checkpoint)
    given_negatives = read_text_embeds(*negative_embeds, checkpoint=checkpoint, prefix="negative_")
    if given_negatives is not None and settings.negative_prompt is not None:
        raise InputError("negative_prompt and negative_prompt_embeds exclude each other; give one of them")
    prompts, negatives = [], []
    if given is None:
        new_tokens = settings.max_new_tokens or checkpoint.max_new_tokens
        prompts = read_prompts(prompt, settings.transcription, checkpoint, new_tokens=new_tokens)
        rows = len(prompts)
    else:
        _check_no_prompt(prompt, settings.transcription, checkpoint)
        rows, new_tokens = given.generated_prompt_embeds.shape[:2]
    if given_negatives is None:
        negatives = read_negative_prompts(settings.negative_prompt, rows, new_tokens=new_tokens)
    else:
        check_negative_embeds(given_negatives, prompts=rows, states=new_tokens)
    return TextInputs(
        prompts=prompts,
        negatives=negatives if is_guided else [],
        prompt_embeds=given,
        negative_embeds=given_negatives if is_guided else None,
        rows=rows,
        new_tokens=new_tokens,
    )


def read_prompts(prompt: Any, transcription: Any, checkpoint: AudioLDM2Checkpoint, *, new_tokens: int) -> list[TextKey]:
    """Return the prompts, and for a checkpoint that generates speech the words to speak.

    Args:
        prompt: B texts, or one.
        transcription: words to speak: B texts, or one for all.
        checkpoint: checkpoint that generates.
        new_tokens: number of states that the language model generates.

    Raises:
        InputError: there is no prompt, it is not text, or the transcription is missing or superfluous.
    """
    if prompt is None:
        raise InputError("prompt is missing: give a text, a list of texts, or what encode_texts returned")
    texts = read_texts("prompt", prompt)
    if not checkpoint.is_speech:
        if transcription is not None:
            raise SettingError(
                "transcription",
                f"cannot be used with {checkpoint.location}, which does not generate speech; "
                f"{' and '.join(SPEECH_CHECKPOINTS)} do",
            )
        return [TextKey(text, None, new_tokens) for text in texts]
    if transcription is None:
        raise SettingError(
            "transcription", f"is missing: {checkpoint.location} generates speech; give the words to speak"
        )
    spoken = read_texts("transcription", transcription)
    if isinstance(transcription, str):
        spoken *= len(texts)
    if len(spoken) != len(texts):
        raise SettingError(
            "transcription", f"must be one text, or one for each of {len(texts)} prompts; got {len(spoken)}"
        )
    return [TextKey(text, words, new_tokens) for text, words in zip(texts, spoken, strict=True)]


def read_negative_prompts(negative_prompt: Any, prompts: int, *, new_tokens: int) -> list[TextKey]:
    """Return the negative prompts: one for all prompts, by default the empty text, or one for each.

    Raises:
        InputError: they are not texts, or not as many.
    """
    texts = read_texts("negative_prompt", "" if negative_prompt is None else negative_prompt)
    if len(texts) not in (1, prompts):
        raise SettingError(
            "negative_prompt", f"must be one text, or one for each of {prompts} prompts; got {len(texts)}"
        )
    return [TextKey(text, None, new_tokens) for text in texts]


def encode_inputs(components: Components, texts: TextInputs) -> tuple[PromptEmbeds, Tensor | None]:
    """Encode the texts of a call.

    Returns:
        the embeddings of the prompts, and for prompts that are texts their CLAP embeddings (B, P) on the CPU.
    """
    encoder, keys = TextEncoder(components), [*texts.prompts, *texts.negatives]
    with components.loader.encoding_lock:  # the texts that are kept change between the two
        encoded = encoder.encode(keys, encoder.tokenize(keys))
    prompts, negatives = encoded[: len(texts.prompts)], encoded[len(texts.prompts) :]
    embeds = join_encodings(texts.prompt_embeds or prompts, texts.negative_embeds or negatives)
    return embeds, torch.stack([text.clap for text in prompts]).float().cpu() if prompts else None


def read_texts(name: str, texts: Any) -> list[str]:
    """Return one text or several as a list.

    Raises:
        SettingError: they are not texts.
    """
    if isinstance(texts, str):
        return [texts]
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise SettingError(name, f"must be a text or a list of at least one text; got {texts!r}")
    return list(cast("Sequence[str]", texts))


def _check_no_prompt(prompt: Any, transcription: Any, checkpoint: AudioLDM2Checkpoint) -> None:
    if prompt is not None:
        raise InputError("prompt and prompt_embeds exclude each other; give one of them")
    if transcription is not None and not checkpoint.is_speech:  # diffusers asks for it, next to embeddings that have it
        raise SettingError("transcription", "cannot be combined with prompt_embeds, which already contain one")
