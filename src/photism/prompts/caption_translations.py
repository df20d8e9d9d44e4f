"""The captions of a model in other languages, by which a text in one of these stands for a caption.

A text encoder that was trained on English captions makes nothing of “un hibou”. If the folder of a model has
`caption_translations.json`, an object of lists that are parallel to `captions.json`, with null where there is no
translation,

    {"fr": ["Une grenouille.", …], "ru": ["Лягушка.", …]}

a text is compared with these spellings and with the captions: by the cosine of their character trigrams, which are
weighted by how rare they are in a language (tf-idf), so that articles count little and endings may differ.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from photism.errors import InputError
from photism.json_files import read_json_object
from photism.prompts.model_files import TRANSLATIONS

ENGLISH = "en"
"""Name of the language of the captions themselves, which is preferred where several are as similar."""
MIN_SIMILARITY = 0.6
"""Similarity from which on a text in another language stands for a caption. With less, it is left to the text encoder.
2 % are taken for something in one of 28 languages."""
MIN_FOREIGN_SIMILARITY = 0.4
"""The same for a text with letters that English does not have."""
MIN_WORD_LETTERS, MAX_ENDING_LETTERS = 3, 2
"""Fewest letters of a word, and most letters of its ending, by which a text that may be English is recognised: "hiboux"
by "hibou", but not "siren" by "sirena"."""
NGRAM = 3
EXACT = 1e-9
WORD = re.compile(r"\w+")


class Meaning(NamedTuple):
    """Captions that a text stands for.

    Attributes:
        language: code of the language, such as fr.
        captions: the captions, all of which are spelled like the text in that language.
    """

    language: str
    captions: tuple[str, ...]


class CaptionTranslations:
    """Find the captions that texts in other languages stand for.

    Args:
        captions: captions of the model.
        translations: for each language the translations of the captions, in their order; None where there is none.
    """

    def __init__(self, captions: Sequence[str], translations: Mapping[str, Sequence[str | None]]) -> None:
        self.captions = captions
        self.translations = dict(translations)
        self.languages = tuple(translations)
        self._spelled = {ENGLISH: captions, **translations}

    @classmethod
    def read(cls, folder: Path, captions: Sequence[str]) -> CaptionTranslations:
        """Read the translations of a model; without a file, there are none.

        Raises:
            InputError: the file is not an object of lists of texts, as many as there are captions.
        """
        path = folder / TRANSLATIONS
        found = read_json_object(path, f"model {folder}") if path.exists() else {}
        for language, texts in found.items():
            is_list = isinstance(texts, list) and all(isinstance(text, str | None) for text in texts)
            if not is_list or len(texts) != len(captions):
                raise InputError(
                    f"{path}: {language} must be a list of {len(captions)} texts or null, one for each caption"
                )
        return cls(captions, found)

    def find(self, text: str) -> Meaning | None:
        """Return the captions that a text stands for; None if it is taken as it is, such as an English one."""
        if not self.languages or all(word in self._words for word in plain_words(text)):
            return None
        trigrams = _trigrams(text)
        best_similarity, language = 0.0, ENGLISH
        best: list[int] = []
        for each, spelling in self._spellings.items():
            similarity, indices = spelling.nearest(trigrams)
            if similarity > best_similarity + EXACT:
                best_similarity, best, language = similarity, indices, each
        if text.isascii():
            best = [index for index in best if _has_word_of(text, self._spelled[language][index] or "")]
        lowest = MIN_SIMILARITY if text.isascii() else MIN_FOREIGN_SIMILARITY
        if language == ENGLISH or best_similarity < lowest or not best:
            return None
        return Meaning(language, tuple(self.captions[index] for index in best))

    @cached_property
    def _words(self) -> set[str]:
        """Words of the captions."""
        return {word for caption in self.captions for word in plain_words(caption)}

    @cached_property
    def _spellings(self) -> dict[str, _Spelling]:
        """Spellings by language, English first."""
        return {language: _Spelling(texts) for language, texts in self._spelled.items()}


class _Spelling:
    """Texts of one language, as weights of their trigrams.

    Args:
        texts: the texts; None for a missing one.
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        counted = [Counter(_trigrams(text or "")) for text in texts]
        numbers = Counter(trigram for counts in counted for trigram in counts)
        self._unknown = math.log(len(texts) + 1)
        self._weights = {trigram: math.log((len(texts) + 1) / number) for trigram, number in numbers.items()}
        self._texts_of: dict[str, list[tuple[int, float]]] = {trigram: [] for trigram in numbers}
        for index, counts in enumerate(counted):
            length = self._length(counts)
            for trigram, count in counts.items():
                self._texts_of[trigram].append((index, count * self._weights[trigram] / length))

    def nearest(self, trigrams: Sequence[str]) -> tuple[float, list[int]]:
        """Return the largest cosine of a text's trigrams with those of the texts, and the indices of all with it."""
        counts = Counter(trigrams)
        similarities: defaultdict[int, float] = defaultdict(float)
        for trigram, count in counts.items():
            for index, weight in self._texts_of.get(trigram, ()):
                similarities[index] += count * self._weights[trigram] * weight
        if not similarities:
            return 0.0, []
        highest = max(similarities.values())
        nearest = sorted(index for index, value in similarities.items() if value > highest - EXACT)
        return highest / self._length(counts), nearest

    def _length(self, counts: Mapping[str, int]) -> float:
        weighted = (count * self._weights.get(trigram, self._unknown) for trigram, count in counts.items())
        return math.sqrt(sum(value * value for value in weighted)) or 1.0


def plain_words(text: str) -> list[str]:
    """Return the words of a text, without accents and case."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return WORD.findall("".join(each for each in plain if not unicodedata.combining(each)))


def _has_word_of(text: str, translation: str) -> bool:
    """Return whether a word of a text is one of a translation, whatever its ending."""
    stems = tuple(word for word in plain_words(translation) if len(word) >= MIN_WORD_LETTERS)
    return any(
        word[: len(word) - ending] in stems for word in plain_words(text) for ending in range(MAX_ENDING_LETTERS + 1)
    )


def _trigrams(text: str) -> list[str]:
    """Return the trigrams of the words of a text; a space stands before and after each word."""
    padded = [f" {word} " for word in plain_words(text)]
    return [word[start : start + NGRAM] for word in padded for start in range(len(word) - NGRAM + 1)]
