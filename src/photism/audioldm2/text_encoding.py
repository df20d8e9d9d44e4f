"""Encode texts for the UNet: CLAP, T5 or VITS, and the language model that continues both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from photism.audioldm2.components import Components
from photism.audioldm2.gpt2 import generate_hidden_states
from photism.audioldm2.prompt_embeds import PromptEmbeds, TextEmbeds
from photism.errors import InputError
from photism.finite import check_finite
from photism.locks import lock_of
from photism.prompts.cut_text import report_cut_texts
from photism.settings import SettingError

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


class TextEncoder:
    """Text encoder that keeps its last encodings, so that a constant negative prompt is encoded once.

    Args:
        components: models and tokenizers, and the encodings that are kept.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self.cache: dict[TextKey, EncodedText] = components.encodings

    def tokenize(self, keys: Sequence[TextKey]) -> TokenizedTexts | None:
        """Tokenize the texts that are not in the cache; return None if all are.

        Raises:
            InputError: a transcription cannot be read, or is too long.
            SettingError: more states are to be generated than the language model has positions.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self.cache]
        if not new:
            return None
        checkpoint = self.components.checkpoint
        second = self.components.tokenizers[1]
        clap = tokenize_clap(self.components, [key.text for key in new])
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
            self.cache.update(zip(tokenized.keys, self._encode_new(tokenized), strict=True))
        for key in dict.fromkeys(keys):
            self.cache[key] = self.cache.pop(key)  # the most recently used last
        found = [self.cache[key] for key in keys]
        for key in list(self.cache)[:-CACHED_TEXTS]:
            del self.cache[key]
        return found

    @torch.no_grad()
    def _encode_new(self, texts: TokenizedTexts) -> list[EncodedText]:
        components = self.components
        device, is_speech = components.device, components.checkpoint.is_speech
        clap = encode_clap(components, texts.clap)
        rows = _rows(texts.second, device, is_padded=is_speech)
        embeds: list[Tensor] = []
        with components.on_device("vits" if is_speech else "t5") as (second,):
            for ids, row in rows:
                embeds.append(_encode_speech(second, ids, row) if is_speech else second(ids, attention_mask=row)[0])
        generated: list[Tensor] = []
        with components.on_device("projection_model", "language_model") as (projection, language_model):
            for key, of_clap, states, (_, row) in zip(texts.keys, clap, embeds, rows, strict=True):
                joined = projection(
                    hidden_states=of_clap.to(projection.dtype)[None, None],
                    hidden_states_1=states.to(projection.dtype),
                    attention_mask=row.new_ones(1, 1),
                    attention_mask_1=row,
                )
                generated += generate_hidden_states(
                    language_model,
                    joined.hidden_states.to(language_model.dtype),
                    joined.attention_mask,
                    count=key.new_tokens,
                    skip_padding=not is_speech,
                )
        check_finite(clap, "CLAP embeddings", clap.dtype)
        for states, row in zip(embeds, generated, strict=True):
            check_finite(states, "text embeddings", states.dtype)
            check_finite(row[None], "states of the language model", row.dtype)
        return [
            EncodedText(states[0], row[0], of_generated, of_clap)
            for states, (_, row), of_generated, of_clap in zip(embeds, rows, generated, clap, strict=True)
        ]


def tokenize_clap(components: Components, texts: Sequence[str]) -> dict[str, Tensor]:
    """Return `input_ids` and `attention_mask` of texts for CLAP, padded to the longest."""
    tokenizer = components.tokenizers[0]
    limit = _max_tokens(tokenizer, components.checkpoint.value("text_encoder", "text_config"))
    return _tokenize(tokenizer, texts, limit)


@torch.no_grad()
def encode_clap(components: Components, tokenized: Mapping[str, Tensor]) -> Tensor:
    """Return the CLAP embeddings (B, P) of texts, of length 1; each is that of the text alone."""
    pooled: list[Tensor] = []
    with components.on_device("text_tower") as (clap,):
        for ids, mask in _rows(tokenized, components.device):
            pooled.append(clap.text_projection(clap.text_model(input_ids=ids, attention_mask=mask).pooler_output))
    return torch.nn.functional.normalize(torch.cat(pooled), dim=-1)


def _rows(
    tokenized: Mapping[str, Tensor], device: torch.device, *, is_padded: bool = False
) -> list[tuple[Tensor, Tensor]]:
    """Return the token ids and the mask, both (1, S), of each text.

    Texts are encoded one by one: an encoding is kept, and in a batch it would be rounded in another way.

    Args:
        tokenized: `input_ids` and `attention_mask` (B, S).
        device: device of the result.
        is_padded: keep the padding.
    """
    rows = zip(tokenized["input_ids"].to(device), tokenized["attention_mask"].to(device), strict=True)
    lengths = [len(row) if is_padded else int(row.sum()) for row in tokenized["attention_mask"]]
    return [(ids[None, :length], mask[None, :length]) for (ids, mask), length in zip(rows, lengths, strict=True)]


def join_encodings(
    prompts: Sequence[EncodedText] | TextEmbeds, negatives: Sequence[EncodedText] | TextEmbeds | None
) -> PromptEmbeds:
    """Return the embeddings of prompts and of negative prompts, if there are any, from encodings or embeddings."""
    positive = prompts if isinstance(prompts, TextEmbeds) else _stacked(prompts)
    if not negatives:
        return PromptEmbeds(*positive)
    return PromptEmbeds(*positive, *(negatives if isinstance(negatives, TextEmbeds) else _stacked(negatives)))


def _stacked(texts: Sequence[EncodedText]) -> TextEmbeds:
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
    with lock_of(tokenizer):
        report_cut_texts(tokenizer, texts, limit=limit - tokenizer.num_special_tokens_to_add(), name="prompt")
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
            with lock_of(tokenizer):
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
