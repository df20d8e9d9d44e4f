"""Characters of a CTC head: vocabulary, encoding and decoding of normalised transcripts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from photism.listening.transcription.normalization import DELIMITER
from photism.settings import SettingError

BLANK, UNKNOWN = "[PAD]", "[UNK]"
SPECIAL = (BLANK, UNKNOWN, DELIMITER)


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
