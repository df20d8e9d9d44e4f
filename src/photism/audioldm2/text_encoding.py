"""Words in, what the UNet attends to out: CLAP, T5 or VITS, and the language model that goes on from both."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from photism.audioldm2.cached_cross_attention import TextStates
from photism.audioldm2.components import Components
from photism.audioldm2.gpt2 import generate_states
from photism.errors import InputError

logger = logging.getLogger(__name__)

PHONEMIZER = "pip install phonemizer, and espeak-ng from your system's packages"
END_OF_SPEECH = 182  # the id that stands after the last phoneme, in place of the first padding
MAX_REMEMBERED = 64  # texts, of which most are the same negative again


class SoundPrompt(NamedTuple):
    """What texts were turned into, a row a text; the names are those of a call's arguments.

    prompt_embeds: (B, S, E) states of T5, or of VITS.
    attention_mask: (B, S), 1 where a state counts.
    generated_prompt_embeds: (B, G, D) states that the language model made.
    negative_prompt_embeds, negative_attention_mask, negative_generated_prompt_embeds: the same of what guidance leads
        away from, of one row for all or of B, of any length; None without guidance.
    """

    prompt_embeds: Tensor
    attention_mask: Tensor
    generated_prompt_embeds: Tensor
    negative_prompt_embeds: Tensor | None = None
    negative_attention_mask: Tensor | None = None
    negative_generated_prompt_embeds: Tensor | None = None


class EncodedText(NamedTuple):
    """One text: (S, E) states that all count, or (S, E) with a mask; (G, D) generated ones; (P,) of CLAP."""

    encoded: Tensor
    mask: Tensor
    generated: Tensor
    clap: Tensor


class TextKey(NamedTuple):
    """What an encoding depends on: a text, what is said (speech checkpoints; None is nothing), states to make."""

    text: str
    transcription: str | None
    new_tokens: int


@dataclass(frozen=True)
class TokenisedTexts:
    """Texts as ids, before any weights are loaded.

    Attributes:
        keys: of the texts, each once.
        clap: ids and mask for CLAP, padded to the longest.
        second: the same for T5, or for VITS, padded to what it was trained on.
    """

    keys: Sequence[TextKey]
    clap: Mapping[str, Tensor]
    second: Mapping[str, Tensor]


@dataclass(eq=False)
class PromptEncoder:
    """Encodes texts, each once: what was encoded lately is remembered.

    Attributes:
        components: what it encodes with.
    """

    components: Components
    _remembered: dict[TextKey, EncodedText] = field(default_factory=dict[TextKey, EncodedText])

    def tokenise(self, keys: Sequence[TextKey]) -> TokenisedTexts | None:
        """The texts that are not remembered yet, as ids; None where all are.

        Raises:
            InputError: a transcription is too long, or more states are to be made than the language model can hold.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._remembered]
        if not new:
            return None
        first, second = self.components.tokenizers
        limit = _limit(first, self.components.checkpoint.configs["text_encoder"]["text_config"])
        clap = _ids(first, [key.text for key in new], limit, padding="longest")
        checkpoint = self.components.checkpoint
        if checkpoint.is_speech:
            spoken = _phoneme_ids(second, [key.transcription for key in new], checkpoint)
        else:
            spoken = _ids(second, [key.text for key in new], _limit(second, {}), padding="longest")
        for key, row in zip(new, spoken["attention_mask"], strict=True):
            tokens = len(row) if checkpoint.is_speech else int(row.sum())
            _check_room(key.new_tokens, tokens, checkpoint.positions)
        return TokenisedTexts(new, clap, spoken)

    def encode(self, keys: Sequence[TextKey], tokenised: TokenisedTexts | None) -> list[EncodedText]:
        """The encodings of texts.

        Args:
            keys: of the texts, with repetitions.
            tokenised: what `tokenise` made of them.
        """
        if tokenised is not None:
            for key, encoded in zip(tokenised.keys, self._encode_new(tokenised), strict=True):
                self._remembered[key] = encoded
        for key in dict.fromkeys(keys):
            self._remembered[key] = self._remembered.pop(key)  # the latest last
        found = [self._remembered[key] for key in keys]
        for key in list(self._remembered)[:-MAX_REMEMBERED]:
            del self._remembered[key]
        return found

    @torch.no_grad()
    def _encode_new(self, texts: TokenisedTexts) -> list[EncodedText]:
        components = self.components
        device, is_speech = components.device, components.checkpoint.is_speech
        clap_ids = {name: tensor.to(device) for name, tensor in texts.clap.items()}
        with components.at_work("text_tower") as (text_tower,):
            clap = torch.nn.functional.normalize(text_tower(**clap_ids).text_embeds, dim=-1)
        ids, mask = texts.second["input_ids"].to(device), texts.second["attention_mask"].to(device)
        with components.at_work("vits" if is_speech else "t5") as (second,):
            encoded = _encode_speech(second, ids, mask) if is_speech else second(ids, attention_mask=mask)[0]
        encoded = encoded.to(components.dtype)
        with components.at_work("projection_model", "language_model") as (projection, language_model):
            joined = projection(
                hidden_states=clap.to(components.dtype)[:, None],
                hidden_states_1=encoded,
                attention_mask=mask.new_ones(len(mask), 1),
                attention_mask_1=mask,
            )
            generated: dict[TextKey, Tensor] = {}
            for count in {key.new_tokens for key in texts.keys}:
                made = generate_states(
                    language_model, joined.hidden_states, joined.attention_mask, count=count, skip_padding=not is_speech
                )
                generated |= {key: row for key, row in zip(texts.keys, made, strict=True) if key.new_tokens == count}
        lengths = [None if is_speech else int(row.sum()) for row in mask]
        return [
            EncodedText(states[:length], row[:length], generated[key], of_clap)
            for key, states, row, length, of_clap in zip(texts.keys, encoded, mask, lengths, clap, strict=True)
        ]


def stack_texts(texts: Sequence[EncodedText]) -> tuple[Tensor, Tensor, Tensor]:
    """Encodings in a batch, padded to the longest: (B, S, E) states, their (B, S) mask, (B, G, D) generated ones."""
    pad = torch.nn.utils.rnn.pad_sequence
    encoded = pad([text.encoded for text in texts], batch_first=True)
    mask = pad([text.mask for text in texts], batch_first=True)
    return encoded, mask, torch.stack([text.generated for text in texts])


def text_states(prompt: SoundPrompt) -> TextStates:
    """What the UNet attends to: B rows, or with guidance 2 B, those of the negative first."""
    encoded, mask, generated = prompt.prompt_embeds, prompt.attention_mask, prompt.generated_prompt_embeds
    if prompt.negative_prompt_embeds is not None and prompt.negative_attention_mask is not None:
        rows = len(encoded)
        negative, negative_mask, negative_generated = (
            tensor.expand(rows, *tensor.shape[1:])
            for tensor in (
                prompt.negative_prompt_embeds,
                prompt.negative_attention_mask,
                prompt.negative_generated_prompt_embeds,
            )
            if tensor is not None
        )
        length = max(encoded.shape[1], negative.shape[1])
        encoded = torch.cat([_pad(negative, length), _pad(encoded, length)])
        mask = torch.cat([_pad(negative_mask.to(mask.dtype), length), _pad(mask, length)])
        generated = torch.cat([negative_generated, generated])
    return TextStates(generated, encoded, None if bool(mask.all()) else mask)


def _pad(tensor: Tensor, length: int) -> Tensor:
    """(B, S, …) -> (B, length, …), zeros at the end."""
    missing = length - tensor.shape[1]
    return torch.cat([tensor, tensor.new_zeros(len(tensor), missing, *tensor.shape[2:])], dim=1) if missing else tensor


def _encode_speech(vits: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """(B, S) phonemes -> (B, S, E); a row of nothing said, whose mask is zero throughout, is zeros."""
    encoded = vits.text_encoder(ids, attention_mask=mask, padding_mask=mask[..., None].to(vits.dtype))[0]
    return torch.where(mask.any(1)[:, None, None], encoded, 0)


def _check_room(new_tokens: int, tokens: int, positions: int) -> None:
    # CLAP's one state, and two special ones around each of both; the last state that is made is not fed back.
    room = positions - (tokens + 5) + 1
    if new_tokens > room:
        raise InputError(
            f"max_new_tokens must be at most {room} for a text of {tokens} tokens: the language model holds "
            f"{positions} states; got {new_tokens}"
        )


def _limit(tokenizer: Any, config: Mapping[str, Any]) -> int:
    """How many tokens its encoder takes: a tokenizer that does not know says some huge number."""
    positions = config.get("max_position_embeddings", 514) - 2  # RoBERTa's begin after the padding's
    return min(tokenizer.model_max_length, positions if config else 512)


def _ids(tokenizer: Any, texts: Sequence[str], limit: int, *, padding: str) -> dict[str, Tensor]:
    whole = tokenizer(list(texts)).input_ids
    for text, ids in zip(texts, whole, strict=True):
        if len(ids) > limit:
            logger.warning("only the first %d of %d tokens count of the prompt %r", limit, len(ids), text)
    found = tokenizer(list(texts), padding=padding, truncation=True, max_length=limit, return_tensors="pt")
    return {"input_ids": found.input_ids, "attention_mask": found.attention_mask}


def _phoneme_ids(tokenizer: Any, transcriptions: Sequence[str | None], checkpoint: Any) -> dict[str, Tensor]:
    """Phonemes with the end that the speech checkpoints were trained on, padded to their length."""
    length = checkpoint.configs["projection_model"].get("max_seq_length") or tokenizer.model_max_length
    ids = torch.zeros(len(transcriptions), length, dtype=torch.long)
    mask = torch.zeros(len(transcriptions), length, dtype=torch.long)
    for row, transcription in enumerate(transcriptions):
        if transcription is None:
            continue
        try:
            spoken: list[int] = tokenizer(transcription).input_ids
        except ImportError:
            raise InputError(f"transcription needs phonemizer, which is not installed: {PHONEMIZER}") from None
        if len(spoken) > length:
            raise InputError(
                f"transcription must be at most {length} phonemes long; {transcription!r} has {len(spoken)}: "
                "give a shorter one, or say it in parts"
            )
        ids[row, : len(spoken)] = torch.tensor(spoken)
        mask[row, : len(spoken)] = 1
        ends = (ids[row] == 0).nonzero()
        if len(ends):
            ids[row, ends[0]], mask[row, ends[0]] = END_OF_SPEECH, 1
    return {"input_ids": ids, "attention_mask": mask}
