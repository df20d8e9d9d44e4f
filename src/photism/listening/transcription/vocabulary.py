"""What the outputs of a CTC head write: one is the blank, some are never written, the others are pieces of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError

SPACE = " "
WORD_START = "▁"  # of SentencePiece
PHONEME_TOKENIZER = "Wav2Vec2PhonemeCTCTokenizer"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The text that each of the V outputs of a head writes.

    Attributes:
        pieces: V texts. A space parts words, alone, or before or after other characters.
        blank: the output that writes nothing and parts two equal ones.
        unspoken: outputs that stand for nothing in speech, such as `<s>` and `<unk>`.
    """

    pieces: tuple[str, ...]
    blank: int
    unspoken: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def delimiters(self) -> frozenset[int]:
        """Outputs that write a space alone."""
        return frozenset(index for index, piece in enumerate(self.pieces) if piece == SPACE)

    @cached_property
    def spoken(self) -> NDArray[np.intp]:
        """The outputs that write something, in ascending order."""
        return np.array([index for index in range(len(self)) if index not in {*self.unspoken, self.blank}], np.intp)

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, outputs: int) -> Vocabulary:
        """What a tokenizer of transformers says of a head with that many outputs.

        Words are parted where it says (`word_delimiter_token`, or SentencePiece's mark), its phonemes are words, and
        letters are as they are written in its vocabulary, or small if it says `do_lower_case`.

        Raises:
            InputError: it has no blank, which is its padding token, or another number of tokens than the head.
        """
        blank = tokenizer.pad_token_id
        if blank is None:
            raise InputError(
                "tokenizer must have a padding token, which is the blank of CTC; it has none: set pad_token"
            )
        delimiter = getattr(tokenizer, "word_delimiter_token", None)
        special = set(tokenizer.all_special_ids)
        known = {index: token for token, index in tokenizer.get_vocab().items()}
        spoken = {index for index, token in known.items() if index not in special or token == delimiter}
        if not spoken or max(spoken) >= outputs or blank >= outputs or not known.keys() >= set(range(outputs)):
            raise InputError(
                f"tokenizer must name each of the {outputs} outputs of the head; it has {len(known)} tokens, "
                f"0 to {max(known, default=-1)}: give the tokenizer that the model was trained with"
            )
        after = SPACE if type(tokenizer).__name__ == PHONEME_TOKENIZER else ""
        pieces: list[str] = []
        for index in range(outputs):
            piece = SPACE if known[index] == delimiter else known[index].replace(WORD_START, SPACE) + after
            pieces.append(piece.lower() if getattr(tokenizer, "do_lower_case", False) else piece)
        unspoken = frozenset(range(outputs)) - spoken - {blank}
        return cls(tuple(pieces), blank, unspoken)
