"""Encode texts for the UNet: CLAP, T5 or VITS, and the language model that continues both."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from photism.audioldm2.components import Components
from photism.audioldm2.gpt2 import generate_hidden_states
from photism.audioldm2.prompt_embeds import TextEmbeds
from photism.errors import InputError
from photism.settings import SettingError

logger = logging.getLogger(__name__)

PHONEMIZER = "pip install phonemizer, and espeak-ng from your system's packages"
END_OF_SPEECH = 182
"""Token id after the last phoneme, in place of the first padding token."""
CACHED_TEXTS = 64
"""Texts whose encodings are kept; the negative prompt is most often the same one again."""


class TextKey(NamedTuple):
    """What an encoding depends on.

    text: prompt.
    transcription: words to speak, for a checkpoint that generates speech; None for none.
    new_tokens: number of hidden states that the language model generates.
    """

    text: str
    transcription: str | None
    new_tokens: int


class EncodedText(NamedTuple):
    """Encoding of one text.

    embeds: (S, E) hidden states of the second text encoder.
    mask: (S,), 0 at padding and 1 elsewhere.
    generated: (G, D) hidden states that the language model generated.
    clap: (P,) CLAP embedding of length 1.
    """

    embeds: Tensor
    mask: Tensor
    generated: Tensor
    clap: Tensor


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as token ids, before any weights are loaded.

    Attributes:
        keys: the texts, without repetitions.
        clap: `input_ids` and `attention_mask` for CLAP, padded to the longest text.
        second: `input_ids` and `attention_mask` for T5, or for VITS, padded to the length that it was trained on.
    """

    keys: Sequence[TextKey]
    clap: Mapping[str, Tensor]
    second: Mapping[str, Tensor]


@dataclass(eq=False)
class TextEncoder:
    """Text encoder that keeps its last encodings, so that a constant negative prompt is encoded once.

    Attributes:
        components: models and tokenizers.
    """

    components: Components
    _cache: dict[TextKey, EncodedText] = field(default_factory=dict[TextKey, EncodedText])

    def tokenize(self, keys: Sequence[TextKey]) -> TokenizedTexts | None:
        """Tokenize the texts that are not in the cache; return None if all are.

        Raises:
            InputError: a transcription cannot be read, or is too long.
            SettingError: more states are to be generated than the language model has positions.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._cache]
        if not new:
            return None
        checkpoint = self.components.checkpoint
        first, second = self.components.tokenizers
        limit = _max_tokens(first, checkpoint.configs["text_encoder"]["text_config"])
        clap = _tokenize(first, [key.text for key in new], limit)
        if checkpoint.is_speech:
            ids = _tokenize_speech(second, [key.transcription for key in new], checkpoint)
        else:
            ids = _tokenize(second, [key.text for key in new], _max_tokens(second, {}))
        for key, row in zip(new, ids["attention_mask"], strict=True):
            tokens = len(row) if checkpoint.is_speech else int(row.sum())
            _check_positions(key.new_tokens, tokens, checkpoint.max_positions)
        return TokenizedTexts(new, clap, ids)

    def encode(self, keys: Sequence[TextKey], tokenized: TokenizedTexts | None) -> list[EncodedText]:
        """Return the encodings of texts.

        Args:
            keys: texts, with repetitions.
            tokenized: what `tokenize` returned for them.
        """
        if tokenized is not None:
            self._cache.update(zip(tokenized.keys, self._encode_new(tokenized), strict=True))
        for key in dict.fromkeys(keys):
            self._cache[key] = self._cache.pop(key)  # the most recently used last
        found = [self._cache[key] for key in keys]
        for key in list(self._cache)[:-CACHED_TEXTS]:
            del self._cache[key]
        return found

    @torch.no_grad()
    def _encode_new(self, texts: TokenizedTexts) -> list[EncodedText]:
        components = self.components
        device, is_speech = components.device, components.checkpoint.is_speech
        clap_ids = {name: tensor.to(device) for name, tensor in texts.clap.items()}
        with components.on_device("text_tower") as (text_tower,):
            clap = torch.nn.functional.normalize(text_tower(**clap_ids).text_embeds, dim=-1)
        ids, mask = texts.second["input_ids"].to(device), texts.second["attention_mask"].to(device)
        with components.on_device("vits" if is_speech else "t5") as (second,):
            embeds = _encode_speech(second, ids, mask) if is_speech else second(ids, attention_mask=mask)[0]
        embeds = embeds.to(components.dtype)
        with components.on_device("projection_model", "language_model") as (projection, language_model):
            joined = projection(
                hidden_states=clap.to(components.dtype)[:, None],
                hidden_states_1=embeds,
                attention_mask=mask.new_ones(len(mask), 1),
                attention_mask_1=mask,
            )
            generated: dict[TextKey, Tensor] = {}
            for count in {key.new_tokens for key in texts.keys}:
                states = generate_hidden_states(
                    language_model, joined.hidden_states, joined.attention_mask, count=count, skip_padding=not is_speech
                )
                generated |= {key: row for key, row in zip(texts.keys, states, strict=True) if key.new_tokens == count}
        lengths = [None if is_speech else int(row.sum()) for row in mask]
        return [
            EncodedText(states[:length], row[:length], generated[key], of_clap)
            for key, states, row, length, of_clap in zip(texts.keys, embeds, mask, lengths, clap, strict=True)
        ]


def stack_encodings(texts: Sequence[EncodedText]) -> TextEmbeds:
    """Return the encodings of texts as a batch, padded to the longest."""
    pad = torch.nn.utils.rnn.pad_sequence
    embeds = pad([text.embeds for text in texts], batch_first=True)
    mask = pad([text.mask for text in texts], batch_first=True)
    return TextEmbeds(embeds, mask, torch.stack([text.generated for text in texts]))


def _encode_speech(vits: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Encode phonemes: (B, S) -> (B, S, E); a row without phonemes, whose mask is zero throughout, becomes zeros."""
    embeds = vits.text_encoder(ids, attention_mask=mask, padding_mask=mask[..., None].to(vits.dtype))[0]
    return torch.where(mask.any(1)[:, None, None], embeds, 0)


def _check_positions(new_tokens: int, tokens: int, positions: int) -> None:
    # The input is CLAP's one state, the tokens, and two special states around each of both; the last generated state is
    # not fed back.
    limit = positions - (tokens + 5) + 1
    if new_tokens > limit:
        raise SettingError(
            "max_new_tokens",
            f"must be at most {limit} for a text of {tokens} tokens, since the language model has {positions} "
            f"positions; got {new_tokens}",
        )


def _max_tokens(tokenizer: Any, config: Mapping[str, Any]) -> int:
    """Return how many tokens the tokenizer's encoder takes; a tokenizer that does not know says a huge number."""
    positions = config.get("max_position_embeddings", 514) - 2  # RoBERTa's positions start after that of padding
    return min(tokenizer.model_max_length, positions if config else 512)


def _tokenize(tokenizer: Any, texts: Sequence[str], limit: int) -> dict[str, Tensor]:
    for text, ids in zip(texts, tokenizer(list(texts)).input_ids, strict=True):
        if len(ids) > limit:
            logger.warning("truncated the prompt %r to the first %d of its %d tokens", text, limit, len(ids))
    found = tokenizer(list(texts), padding="longest", truncation=True, max_length=limit, return_tensors="pt")
    return {"input_ids": found.input_ids, "attention_mask": found.attention_mask}


def _tokenize_speech(tokenizer: Any, transcriptions: Sequence[str | None], checkpoint: Any) -> dict[str, Tensor]:
    """Return phoneme ids, with the end token of the speech checkpoints, padded to the length of their training."""
    length = checkpoint.configs["projection_model"].get("max_seq_length") or tokenizer.model_max_length
    ids = torch.zeros(len(transcriptions), length, dtype=torch.long)
    mask = torch.zeros(len(transcriptions), length, dtype=torch.long)
    for row, transcription in enumerate(transcriptions):
        if transcription is None:
            continue
        try:
            phonemes: list[int] = tokenizer(transcription).input_ids
        except ImportError:
            raise InputError(f"transcription needs phonemizer, which is not installed: {PHONEMIZER}") from None
        if len(phonemes) > length:
            raise SettingError(
                "transcription",
                f"must have at most {length} phonemes; {transcription!r} has {len(phonemes)}: shorten it, or generate "
                "it in parts",
            )
        ids[row, : len(phonemes)] = torch.tensor(phonemes)
        mask[row, : len(phonemes)] = 1
        ends = (ids[row] == 0).nonzero()
        if len(ends):
            ids[row, ends[0]], mask[row, ends[0]] = END_OF_SPEECH, 1
    return {"input_ids": ids, "attention_mask": mask}
