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
        separator: text between two words of a transcript; the empty string for scripts without spaces.
        joins_punctuation: join a word that begins with punctuation, or is the end of an English contraction, to the
            word before, as `clean_up_tokenization` of transformers does.
        has_final_sigma: write σ as ς at the end of a word, since it is Σ in lower case.
    """

    tokens: tuple[str, ...]
    blank_id: int
    ignored_ids: frozenset[int] = frozenset()
    separator: str = SPACE
    joins_punctuation: bool = False
    has_final_sigma: bool = False

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

        Words are separated at `word_delimiter_token`, at a space, or at SentencePiece's mark; a phoneme is a word. The
        delimiter may be missing from the outputs of the head, which then predicts no spaces. Letters have the case of
        the tokenizer's vocabulary, or are lower case if it sets `do_lower_case`.

        Args:
            tokenizer: tokenizer of a CTC model.
            vocab_size: number of outputs of the head.

        Raises:
            InputError: the tokenizer has no padding token, which is the blank, among the outputs of the head, or names
                fewer outputs, or further letters. A gap in its numbers is an unknown token.
        """
        blank_id = tokenizer.pad_token_id
        if blank_id is None:
            raise InputError(
                "tokenizer must have a padding token, which is the blank of CTC; it has none: set pad_token"
            )
        delimiters = _delimiters(tokenizer)
        special_ids = set(tokenizer.all_special_ids)
        listed: set[Any] = set(tokenizer.get_vocab().values())
        if not all(isinstance(index, int) for index in listed):
            raise InputError("tokenizer must number its tokens by integers; its vocab.json has other numbers")
        letter_ids = listed - special_ids
        highest = max({*letter_ids, blank_id})
        if highest >= vocab_size or max(listed) < vocab_size - 1:
            raise InputError(
                f"tokenizer must name each of the {vocab_size} outputs of the head; it has {len(listed)} tokens, "
                f"0 to {max(listed)}: use the tokenizer that the model was trained with"
            )
        # An added token hides one of the vocabulary, and a number without a token is that of an unknown one.
        names = [tokenizer.convert_ids_to_tokens(index) or "" for index in range(vocab_size)]
        is_lower = bool(getattr(tokenizer, "do_lower_case", False))
        suffix = SPACE if type(tokenizer).__name__ == PHONEME_TOKENIZER else ""
        tokens: list[str] = []
        for name in names:
            token = SPACE if name in delimiters else name.replace(SENTENCEPIECE_SPACE, SPACE) + suffix
            tokens.append(token.lower() if is_lower else token)
        return cls(
            tuple(tokens),
            blank_id,
            frozenset(
                index
                for index, name in enumerate(names)
                if (index in special_ids or index not in listed) and index != blank_id and name not in delimiters
            ),
            separator=getattr(tokenizer, "replace_word_delimiter_char", SPACE),
            joins_punctuation=bool(getattr(tokenizer, "clean_up_tokenization_spaces", False)),
            has_final_sigma=is_lower and any("Σ" in name for name in names),
        )


def _delimiters(tokenizer: Any) -> set[str]:
    """Return the tokens between words: a space, the delimiter in use, and the one that the checkpoint declares.

    The last two differ since transformers 5, which reads any `word_delimiter_token` of a checkpoint as a special token
    and separates words at its default, `|`.
    """
    declared = getattr(tokenizer, "special_tokens_map", {}).get("word_delimiter_token")
    used = getattr(tokenizer, "word_delimiter_token", None)
    return {SPACE, *(str(token) for token in (declared, used) if token is not None)}
