"""From transcripts to the characters that a CTC head writes, and back."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from photism.errors import InputError

BLANK, UNKNOWN, DELIMITER = "[PAD]", "[UNK]", "|"
SPECIAL = (BLANK, UNKNOWN, DELIMITER)
WITHIN_WORDS = "'’-"
"""Punctuation that stays where it joins two letters."""
TYPEWRITTEN = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "—": " "})


@dataclass(frozen=True)
class Normalizer:
    """How transcripts are written before anything is learned of them or compared with them.

    Attributes:
        lowercase: capitals become small.
        keep_punctuation: otherwise all of it goes but apostrophes and hyphens within words.
        remove: regular expression of what goes before all else, such as notes in brackets.

    Raises:
        InputError: `remove` is no regular expression.
    """

    lowercase: bool = True
    keep_punctuation: bool = False
    remove: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.remove or "")
        except re.error as error:
            raise InputError(f"remove must be a regular expression; {self.remove!r} is none: {error}") from None

    def __call__(self, text: str) -> str:
        """Words between single spaces, composed (NFC), in one kind of apostrophe."""
        text = unicodedata.normalize("NFC", re.sub(self.remove, " ", text) if self.remove else text)
        text = text.translate(TYPEWRITTEN).replace(DELIMITER, " ")
        if self.lowercase:
            text = unicodedata.normalize("NFC", text.lower())
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")  # joiners, soft hyphens
        if not self.keep_punctuation:
            text = "".join(each if _stays(text, place) else " " for place, each in enumerate(text))
        return " ".join(text.split())


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a CTC head.

    Attributes:
        number: of each, without gaps; the first are `SPECIAL`.
    """

    number: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def of(cls, texts: Iterable[str], *, min_count: int = 1) -> Vocabulary:
        """Of all characters of normalised texts, in the order of their code points.

        Args:
            texts: normalised.
            min_count: characters that occur less often are left out.
        """
        counts = count_characters(texts)
        known = sorted(each for each, count in counts.items() if count >= min_count)
        return cls({token: index for index, token in enumerate((*SPECIAL, *known))})

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """From a `vocab.json` of transformers.

        Raises:
            InputError: it is none, or lacks one of `SPECIAL`.
        """
        try:
            number: dict[str, int] = json.loads(path.read_text(encoding="utf8"))
            whole = sorted(number.values()) == list(range(len(number)))
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InputError(f"vocabulary must be a vocab.json; {path} cannot be read: {error}") from None
        missing = [token for token in SPECIAL if token not in number]
        if missing or not whole or number[BLANK] != 0:
            raise InputError(
                f"vocabulary must have {', '.join(SPECIAL)}, and number its tokens without gaps, {BLANK} being 0; "
                f"{path} does not"
            )
        return cls(number)

    def encode(self, text: str) -> list[int]:
        """Of a normalised text, without the characters that are not known."""
        known = "".join(each for each in text if each == " " or each in self.number)
        return [self.number[DELIMITER if each == " " else each] for each in " ".join(known.split())]

    def decode(self, outputs: Iterable[int]) -> str:
        """What a path of outputs writes: repetitions are one, and the blank and the unknown write nothing."""
        tokens = {index: token for token, index in self.number.items()}
        written = [tokens[output] for output, _ in groupby(outputs)]
        text = "".join(" " if token == DELIMITER else token for token in written if token not in (BLANK, UNKNOWN))
        return " ".join(text.split())

    def save(self, folder: Path) -> None:
        """As a tokenizer of transformers."""
        from transformers import Wav2Vec2CTCTokenizer

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "vocab.json"
        path.write_text(json.dumps(dict(self.number), ensure_ascii=False), encoding="utf8")
        tokens = {"unk_token": UNKNOWN, "pad_token": BLANK, "word_delimiter_token": DELIMITER}
        others: dict[str, Any] = {"bos_token": None, "eos_token": None}  # its own would be outputs that no head has
        tokenizer = Wav2Vec2CTCTokenizer(str(path), **tokens, **others)
        tokenizer.save_pretrained(folder)


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs, but for spaces."""
    counts = Counter("".join(texts))
    counts.pop(" ", None)
    return counts


def tokens_needed(labels: Sequence[int]) -> int:
    """The least that a CTC path takes: one for each label, and a blank between two equal ones."""
    return len(labels) + sum(one == other for one, other in pairwise(labels))


def _stays(text: str, place: int) -> bool:
    each = text[place]
    if unicodedata.category(each)[0] not in "PSC":
        return True
    between = text[place - 1 : place + 2] if place else ""
    return each in WITHIN_WORDS and len(between) == 3 and between[0].isalnum() and between[2].isalnum()
