"""Vocabulary of a CTC head: the text of each token, which tokens are ignored, and which one is the blank."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError

SPACE = " "
SENTENCEPIECE_SPACE = "▁"
PHONEME_TOKENIZER = "Wav2Vec2PhonemeCTCTokenizer"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Texts of the V tokens that a head predicts.

    Attributes:
        tokens: V texts. A space separates words; it stands alone, or at the start or end of other characters.
        blank_id: token without text, which separates two equal tokens.
        ignored_ids: tokens without a sound, such as `<s>` and `<unk>`.
    """

    tokens: tuple[str, ...]
    blank_id: int
    ignored_ids: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def delimiter_ids(self) -> frozenset[int]:
        """Tokens that are a space alone."""
        return frozenset(index for index, token in enumerate(self.tokens) if token == SPACE)

    @cached_property
    def text_ids(self) -> NDArray[np.intp]:
        """Tokens with text, ascending."""
        without_text = {*self.ignored_ids, self.blank_id}
        return np.array([index for index in range(len(self)) if index not in without_text], np.intp)

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, vocab_size: int) -> Vocabulary:
        """Return the vocabulary of a tokenizer of transformers.

        Words are separated at `word_delimiter_token` or SentencePiece's mark; a phoneme is a word. Letters have the
        case of the tokenizer's vocabulary, or are lower case if it sets `do_lower_case`.

        Args:
            tokenizer: tokenizer of a CTC model.
            vocab_size: number of outputs of the head.

        Raises:
            InputError: the tokenizer has no padding token, which is the blank, or does not name each output.
        """
        blank_id = tokenizer.pad_token_id
        if blank_id is None:
            raise InputError(
                "tokenizer must have a padding token, which is the blank of CTC; it has none: set pad_token"
            )
        delimiter = getattr(tokenizer, "word_delimiter_token", None)
        special_ids = set(tokenizer.all_special_ids)
        names = {index: token for token, index in tokenizer.get_vocab().items()}
        text_ids = {index for index, token in names.items() if index not in special_ids or token == delimiter}
        highest = max(text_ids, default=vocab_size)
        if max(highest, blank_id) >= vocab_size or not names.keys() >= set(range(vocab_size)):
            raise InputError(
                f"tokenizer must name each of the {vocab_size} outputs of the head; it has {len(names)} tokens, "
                f"0 to {max(names, default=-1)}: use the tokenizer that the model was trained with"
            )
        suffix = SPACE if type(tokenizer).__name__ == PHONEME_TOKENIZER else ""
        tokens: list[str] = []
        for index in range(vocab_size):
            name = names[index]
            token = SPACE if name == delimiter else name.replace(SENTENCEPIECE_SPACE, SPACE) + suffix
            tokens.append(token.lower() if getattr(tokenizer, "do_lower_case", False) else token)
        ignored_ids = frozenset(range(vocab_size)) - text_ids - {blank_id}
        return cls(tuple(tokens), blank_id, ignored_ids)
