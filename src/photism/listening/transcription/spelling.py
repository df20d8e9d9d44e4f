"""Spelling of the words of a text in the tokens of a vocabulary, for forced alignment."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from photism.errors import InputError
from photism.listening.transcription.forced_alignment import WILDCARD
from photism.listening.transcription.vocabulary import SPACE, Vocabulary

TYPEWRITTEN = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "—": "-"})
WITHIN_WORDS = frozenset("'’‘ʼ`·․.:՚՛՜՞׳״‧")
"""Punctuation within words, by the word boundaries of Unicode (https://unicode.org/reports/tr29/, WB6 and Armenian)."""
SPOKEN_SYMBOLS = frozenset("%&@#§°")
"""Characters that are read aloud, in addition to the currency and mathematical symbols."""
SPOKEN_CATEGORIES = ("Sc", "Sm")

UNKNOWN, BREAK = "unknown", "break"


class SpelledToken(NamedTuple):
    """A token, or `WILDCARD`, and the part of the word that it stands for, with adjacent punctuation."""

    token: int
    text: str


class _Symbol(NamedTuple):
    """A character that occurs in tokens, or `UNKNOWN` or `BREAK`, and the part of the word that it stands for."""

    name: str
    text: str


class Speller:
    """Spelling of words in the tokens of a vocabulary.

    A character that the vocabulary lacks is replaced by its other case, its compatibility forms or its base letter, if
    the vocabulary has one of these. Other punctuation is dropped; digits, letters and symbols that are read aloud
    become wildcards.

    Args:
        vocabulary: vocabulary of characters or subwords.

    Raises:
        InputError: the vocabulary consists of phonemes.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tokens = {
            vocabulary.tokens[index]: index
            for index in vocabulary.text_ids.tolist()
            if index not in vocabulary.delimiter_ids
        }
        if any(token.endswith(SPACE) for token in self.tokens):
            raise InputError("a text can be aligned by a model of characters only; this one predicts phonemes")
        self.alphabet = frozenset("".join(self.tokens)) - {SPACE}
        self.longest = max(map(len, self.tokens), default=0)

    def __call__(self, word: str) -> list[list[SpelledToken]]:
        """Spell a word.

        Args:
            word: a word without spaces.

        Returns:
            the tokens of each of its parts, which are separated by other punctuation than that within words, such as a
            hyphen; none if nothing of the word is spoken.
        """
        parts: list[list[SpelledToken]] = []
        if not any(map(_is_spoken, word)):
            return parts
        for is_break, symbols in groupby(self._symbols(word), lambda symbol: symbol.name == BREAK):
            if not is_break:
                part = self._tokenize(list(symbols))
                if parts and all(token == WILDCARD for token, _ in parts[-1] + part):  # as in 1,000
                    parts[-1] = [SpelledToken(WILDCARD, parts[-1][0].text + part[0].text)]
                else:
                    parts.append(part)
        return parts

    def _symbols(self, word: str) -> list[_Symbol]:
        """Return the symbols of a word. The text of dropped characters belongs to the symbol before."""
        symbols: list[_Symbol] = []
        leading = ""
        for character in unicodedata.normalize("NFC", word):
            names = self._names(character)
            if names and names != (BREAK,):
                texts = [leading + character, *[""] * (len(names) - 1)]
                symbols += map(_Symbol, names, texts)
                leading = ""
            elif symbols:
                last = -2 if symbols[-1].name == BREAK else -1
                symbols[last] = symbols[last]._replace(text=symbols[last].text + character)
                symbols += [_Symbol(BREAK, "")] * len(names) if last == -1 else []
            else:
                leading += character
        return symbols

    def _names(self, character: str) -> tuple[str, ...]:
        """Return the symbols of a character: those of its first form that is in the alphabet."""
        typewritten = character.translate(TYPEWRITTEN)
        compatible = unicodedata.normalize("NFKD", typewritten)
        letters = "".join(each for each in compatible if not unicodedata.combining(each))
        for form in (character, typewritten, compatible, letters):
            for variant in (form, form.lower(), form.upper(), form.casefold()):
                if variant and self.alphabet.issuperset(variant):
                    return tuple(variant)
        if _is_spoken(character):
            return (UNKNOWN,)
        is_dropped = unicodedata.category(character)[0] in "CM" or character in WITHIN_WORDS
        return () if is_dropped else (BREAK,)

    def _tokenize(self, symbols: Sequence[_Symbol]) -> list[SpelledToken]:
        """Return the tokens of symbols without breaks."""
        tokens: list[SpelledToken] = []
        for is_unknown, run in groupby(symbols, lambda symbol: symbol.name == UNKNOWN):
            names, texts = zip(*run, strict=True)
            known = "" if is_unknown else "".join(names)
            # A token with a space begins a word. Characters are in the alphabet, but maybe not as tokens.
            spelled = (not tokens and self._segment(SPACE + known)) or self._segment(known)
            if not spelled:
                tokens.append(SpelledToken(WILDCARD, "".join(texts)))
                continue
            start = 0
            for piece in spelled:
                stop = start + len(piece.lstrip(SPACE))
                tokens.append(SpelledToken(self.tokens[piece], "".join(texts[start:stop])))
                start = stop
        return tokens

    def _segment(self, text: str) -> list[str]:
        """Return the smallest number of tokens that spell a text; none if it cannot be spelled."""
        best: list[list[str] | None] = [[]]
        for stop in range(1, len(text) + 1):
            spellings = [
                [*before, text[start:stop]]
                for start in range(max(0, stop - self.longest), stop)
                if text[start:stop] in self.tokens and (before := best[start]) is not None
            ]
            best.append(min(spellings, key=len, default=None))
        return best[-1] or []


def _is_spoken(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category in SPOKEN_CATEGORIES or character in SPOKEN_SYMBOLS
