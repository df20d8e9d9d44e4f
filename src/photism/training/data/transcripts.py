"""Transcripts and the characters of a CTC head: normalisation, vocabulary, encoding and decoding."""

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

from photism.settings import SettingError

BLANK, UNKNOWN, DELIMITER = "[PAD]", "[UNK]", "|"
SPECIAL = (BLANK, UNKNOWN, DELIMITER)
WITHIN_WORDS = "'’-"
"""Punctuation that is kept between two letters."""
TYPEWRITTEN = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "—": " "})


@dataclass(frozen=True)
class Normalizer:
    """Normalisation of transcripts, before training and before they are compared.

    Attributes:
        lowercase: convert to lower case.
        keep_punctuation: keep punctuation; otherwise only apostrophes and hyphens within words are kept.
        remove: regular expression of text that is removed first, such as notes in brackets.

    Raises:
        SettingError: `remove` is not a regular expression.
    """

    lowercase: bool = True
    keep_punctuation: bool = False
    remove: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.remove or "")
        except re.error as error:
            raise SettingError("remove", f"must be a regular expression; {self.remove!r} is not: {error}") from None

    def __call__(self, text: str) -> str:
        """Return words separated by single spaces, composed (NFC), with one kind of apostrophe."""
        text = unicodedata.normalize("NFC", re.sub(self.remove, " ", text) if self.remove else text)
        text = text.translate(TYPEWRITTEN).replace(DELIMITER, " ")
        if self.lowercase:
            text = unicodedata.normalize("NFC", text.lower())
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")  # joiners, soft hyphens
        if not self.keep_punctuation:
            text = "".join(each if _is_kept(text, place) else " " for place, each in enumerate(text))
        return " ".join(text.split())


@dataclass(frozen=True)
class Vocabulary:
    """Characters of a CTC head.

    Attributes:
        ids: number of each, without gaps; the first are `SPECIAL`.
    """

    ids: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, texts: Iterable[str], *, min_count: int = 1) -> Vocabulary:
        """Return the vocabulary of all characters in normalised texts, in the order of their code points.

        Args:
            texts: normalised texts.
            min_count: occurrences that a character needs.
        """
        counts = count_characters(texts)
        known = sorted(each for each, count in counts.items() if count >= min_count)
        return cls({token: index for index, token in enumerate((*SPECIAL, *known))})

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a `vocab.json` of transformers.

        Raises:
            SettingError: the file is not one, or lacks one of `SPECIAL`.
        """
        try:
            ids: dict[str, int] = json.loads(path.read_text(encoding="utf8"))
            has_no_gaps = sorted(ids.values()) == list(range(len(ids)))
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SettingError("vocabulary", f"must be a vocab.json; {path} cannot be read: {error}") from None
        missing = [token for token in SPECIAL if token not in ids]
        if missing or not has_no_gaps or ids[BLANK] != 0:
            raise SettingError(
                "vocabulary",
                f"must contain {', '.join(SPECIAL)}, and number its tokens without gaps, with {BLANK} as 0; "
                f"{path} does not",
            )
        return cls(ids)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a normalised text, without unknown characters."""
        known = "".join(each for each in text if each == " " or each in self.ids)
        return [self.ids[DELIMITER if each == " " else each] for each in " ".join(known.split())]

    def decode(self, path: Iterable[int]) -> str:
        """Return the text of a CTC path: repetitions are merged, blank and unknown are dropped."""
        tokens = {index: token for token, index in self.ids.items()}
        merged = [tokens[each] for each, _ in groupby(path)]
        text = "".join(" " if token == DELIMITER else token for token in merged if token not in (BLANK, UNKNOWN))
        return " ".join(text.split())

    def save(self, folder: Path) -> None:
        """Save the vocabulary as a tokenizer of transformers."""
        from transformers import Wav2Vec2CTCTokenizer

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "vocab.json"
        path.write_text(json.dumps(dict(self.ids), ensure_ascii=False), encoding="utf8")
        tokens = {"unk_token": UNKNOWN, "pad_token": BLANK, "word_delimiter_token": DELIMITER}
        others: dict[str, Any] = {"bos_token": None, "eos_token": None}  # the defaults would be ids that no head has
        tokenizer = Wav2Vec2CTCTokenizer(str(path), **tokens, **others)
        tokenizer.save_pretrained(folder)


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """Count each character, except spaces."""
    counts = Counter("".join(texts))
    counts.pop(" ", None)
    return counts


def min_path_length(labels: Sequence[int]) -> int:
    """Return the length of the shortest CTC path: an output for each label, and a blank between two equal ones."""
    return len(labels) + sum(one == other for one, other in pairwise(labels))


def _is_kept(text: str, place: int) -> bool:
    """Return whether a character is not punctuation, or joins two letters."""
    each = text[place]
    if unicodedata.category(each)[0] not in "PSC":
        return True
    between = text[place - 1 : place + 2] if place else ""
    return each in WITHIN_WORDS and len(between) == 3 and between[0].isalnum() and between[2].isalnum()
