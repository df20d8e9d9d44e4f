"""Normalise transcripts: words of letters, marks and digits, and punctuation that Unicode counts as part of a word.

Sources: word boundaries, https://www.unicode.org/reports/tr29/#Word_Boundaries; joiners,
https://www.unicode.org/reports/tr31/#Layout_and_Format_Control_Characters; letter case of languages,
https://www.unicode.org/Public/UCD/latest/ucd/SpecialCasing.txt.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import regex

from photism.settings import SettingError

DELIMITER = "|"
"""Character that stands for the space in the vocabulary of a CTC head, and therefore in no transcript."""
DOTLESS_I_LANGUAGES = frozenset({"tr", "tur", "az", "aze", "azb", "azj", "crh", "gag", "kaa", "kk", "kaz", "tt", "tat"})
"""Turkic languages, in whose Latin alphabets I is the capital of ı, and İ that of i."""
IRISH = frozenset({"ga", "gle"})
TYPEWRITTEN = str.maketrans(
    {"’": "'", "‘": "'", "‛": "'", "`": "'", "´": "'", "′": "'", "՚": "'", "΄": "'", "᾽": "'", "᾿": "'", "ŉ": "'n"}
    | {"‐": "-", "‑": "-", "–": "-", "֊": "-", "־": "-", "᐀": "-", "‧": "·", "—": " ", DELIMITER: " ", "\u200b": " "}
)
"""Variants of apostrophe, hyphen and interpunct, and what separates words: in Khmer, Lao and Thai also U+200B."""
COMPATIBILITY = regex.compile(r"[ĲĳĿŀſǄ-ǌǱ-ǳⅠ-ⅿ⼀-⿕\ufb00-\ufdff\ufe70-\ufefc\uff01-\uffdc𝐀-𝟿]+")
"""Letters by their shape: ligatures, Arabic presentation forms, Roman numerals, radicals, full-width Latin,
half-width kana, mathematical fonts.

NFKC of everything else would change spellings, such as that of Thai and Lao am.
"""
INVISIBLE = regex.compile(r"[[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Me}ـߺ]--[\u180e\u200c\u200d]]", regex.V1)
"""Soft hyphens, directional marks, variation selectors, enclosing marks, and tatweel, which only lengthens a word."""
REPEATED_JOINER = regex.compile(r"([\u200c\u200d])\1+")
STRAY_JOINER = regex.compile(
    r"""
      (?<! [[\p{L}\p{M}\p{N}]--[\p{Latin}\p{Greek}\p{Cyrillic}]] ) \u200c
    | \u200c (?! [\p{L}\p{M}\p{N}] )
    | (?<! \p{ccc=9} ) \u200d (?! \p{ccc=9} )
    | (?<! \p{Mongolian} ) \u180e
    | \u180e (?! \p{Mongolian} )
    """,
    regex.V1 | regex.X,
)
"""U+200C other than within a word, as in Persian, U+200D other than next to a virama, as in Sinhala and Bengali, and
U+180E other than before the last vowel of a Mongolian word.

In Latin, Greek and Cyrillic U+200C only prevents ligatures.
"""
POINTS = regex.compile(
    r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u0652\u0670\u06d6-\u06ed]"
)
"""Vowel points and reading signs of Hebrew and Arabic."""
QUOTED_HEBREW = r"(?<![\p{L}\p{M}\p{N}])'[א-ת](?:[^']|(?<=[א-ת]\p{M}*)'(?=[א-ת]))*'"
"""Hebrew text in single quotes, whose last one is no geresh."""
LEGACY = {
    "เเ": "แ",
    "ເເ": "ແ",
    **{f"{consonant}്\u200d": letter for consonant, letter in zip("ണനരലള", "ൺൻർൽൾ", strict=True)},
    "ত্\u200d": "ৎ",
}
"""Thai and Lao vowels typed as two, and letters of Malayalam and Bengali from before they had code points."""
TYPED_OTHERWISE = (
    (regex.compile(r"([่-๋]?)ํ([่-๋]?)า"), r"\1\2ำ"),
    (regex.compile(r"([່-໋]?)ໍ([່-໋]?)າ"), r"\1\2ຳ"),
    (regex.compile(r"(?<=l)[•∙⋅](?=l)", regex.I), "·"),
    (regex.compile(r"(?<=\p{L}\p{M}*)ʼ(?=\p{L})|\bʼ(?=n\b)"), "'"),
    (regex.compile(r"(?<=[א-ת]\p{M}*)[\"”](?=[א-ת])"), "״"),
    (regex.compile(rf"(?<=[א-ת]\p{{M}}*)'(?:(?=[א-ת])|(?<!{QUOTED_HEBREW}))"), "׳"),
    (regex.compile(r"(?<=\p{Armenian}):"), "։"),
)
"""Thai and Lao am as its two parts, the interpunct as other dots, the letter apostrophe within words and in Afrikaans
ʼn, gershayim and geresh as quotes other than those around words, and the Armenian full stop."""
INTONATION = regex.compile("[՛՜՞՟]")
"""Armenian marks on the stressed syllable of a word, which they do not divide."""
NOT_IN_WORDS = regex.compile(
    r"""
      [[^\p{L}\p{M}\p{N}\s\u180e\u200c\u200d׳'\-:·״၌-၏]--[\p{Sk}&&\p{WB=ALetter}]]
    | (?<! [\p{L}\p{N}] [\p{M}\u200c\u200d]* ) ['-]
    | ['-] (?! [\p{L}\p{N}] )
    | (?<! [\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{N}] \p{M}* ) :
    | (?<! \p{WB=Hebrew_Letter} \p{M}* ) ״
    | [:״] (?! [\p{WB=ALetter}\p{WB=Hebrew_Letter}] )
    | (?<! \p{Latin} \p{M}* ) ·
    | · (?! \p{Latin} )
    """,
    regex.V1 | regex.X,
)
"""Everything but letters, marks, digits, tone letters, Burmese symbols that are read as words, and punctuation within
words.

That is an apostrophe or hyphen between letters or digits, and what UAX #29 calls MidLetter between letters. Unlike
there, a colon may be between a digit and its ending, as in Finnish 5:n, and an interpunct is between Latin letters
only, since it divides words in Greek and Korean. Full stops and commas are not kept, although UAX #29 does: where the
space after them is missing, they still end a sentence.
"""
LONE_MARK = regex.compile(r"(?<![\p{L}\p{M}\p{N}\u200c\u200d])\p{M}+")
SECOND_DOT = regex.compile(r"(?<=\p{Soft_Dotted}\p{M}*)\u0307")
"""A dot above a letter that has one: lower case of İ in most languages."""
SMALL_CHEROKEE = regex.compile("[ᏸ-ᏽꭰ-ꮿ]+")


@dataclass(frozen=True)
class Normalizer:
    """Normalisation of transcripts, before training and before they are compared.

    Attributes:
        lowercase: convert to lower case.
        keep_punctuation: keep punctuation; otherwise only that within words is kept.
        remove: regular expression of text that is removed first, such as notes in brackets.
        language: language whose rules of letter case apply, a tag such as "tr" or "tr-TR"; None for those that most
            languages share.
        drop_points: drop vowel points and reading signs of Arabic and Hebrew, which most texts do without.

    Raises:
        SettingError: `remove` is not a regular expression, or `language` not a language tag.
    """

    lowercase: bool = True
    keep_punctuation: bool = False
    remove: str | None = None
    language: str | None = None
    drop_points: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.remove or "")
        except re.error as error:
            raise SettingError("remove", f"must be a regular expression; {self.remove!r} is not: {error}") from None
        if self.language is not None and not re.fullmatch(r"[A-Za-z]{2,3}([-_]\w+)*", self.language):
            raise SettingError("text_language", f"must be a language tag such as tr or tr-TR; got {self.language!r}")

    def __call__(self, text: str) -> str:
        """Return words separated by single spaces, composed (NFC), with one kind of apostrophe and hyphen."""
        return unicodedata.normalize("NFC", " ".join(self._drop(self._spell(text)).split()))

    def dropped(self, text: str) -> Counter[str]:
        """Return how often each character of a transcript is dropped, or replaced by a space."""
        spelled = self._spell(text)
        return Counter("".join(spelled.split())) - Counter(self._drop(spelled))

    def describe(self) -> str:
        """Return a paragraph about the normalisation, for a model card."""
        language = f", by the rules of `{self.language}`" if self.language else ""
        return " ".join(
            [
                "Transcripts are normalised before training and before error rates are computed: Unicode NFC"
                + (f", lower case{language}" if self.lowercase else "")
                + ", one kind of apostrophe and hyphen, letters in place of presentation forms, no invisible "
                "characters except joiners that change the spelling.",
                "Punctuation is kept."
                if self.keep_punctuation
                else "Punctuation is dropped, except within words: apostrophes, hyphens, and colons, interpuncts and "
                "gershayim by the word boundaries of UAX #29.",
                *(["Vowel points of Arabic and Hebrew are dropped."] if self.drop_points else []),
                *([f"What matches `{self.remove}` is removed first."] if self.remove else []),
            ]
        )

    def _spell(self, text: str) -> str:
        """Return a transcript with one spelling of each letter, and before anything but `remove` is dropped."""
        text = unicodedata.normalize("NFC", text)
        if self.remove:
            text = re.sub(unicodedata.normalize("NFC", self.remove), " ", text)
        text = unicodedata.normalize("NFC", COMPATIBILITY.sub(_compose, text))
        if self.lowercase:
            text = _lowercase(text, self.language)
        text = SECOND_DOT.sub("", text.replace("ı\u0307", "i")).translate(TYPEWRITTEN)
        for typed, meant in LEGACY.items():
            text = text.replace(typed, meant)
        for pattern, meant in TYPED_OTHERWISE:
            text = pattern.sub(meant, text)
        return unicodedata.normalize("NFC", text)

    def _drop(self, text: str) -> str:
        """Return a spelled text without what is dropped."""
        text = INVISIBLE.sub("", text)
        text = STRAY_JOINER.sub("", REPEATED_JOINER.sub(r"\1", text))
        if self.drop_points:
            text = POINTS.sub("", text)
        if self.keep_punctuation:
            return text
        return LONE_MARK.sub("", NOT_IN_WORDS.sub(" ", INTONATION.sub("", text)))


def _compose(shapes: regex.Match[str]) -> str:
    """Return the letters of presentation forms; those of a mark alone have it on a space."""
    return regex.sub(r" (?=\p{M})", "", unicodedata.normalize("NFKC", shapes[0]))


def _lowercase(text: str, language: str | None) -> str:
    """Return a text in lower case by the rules of a language."""
    primary = re.split("[-_]", language)[0].lower() if language else None
    if primary in DOTLESS_I_LANGUAGES:
        text = text.replace("İ", "i").replace("I", "ı")
    if primary in IRISH:  # tAthair is t-athair
        text = regex.sub(r"\b([tn])(?=[AEIOUÁÉÍÓÚ])", r"\1-", text)
    # A final sigma is one before a full stop, too, that has no space after it.
    text = re.sub("[^.:·]+", lambda part: part[0].lower(), text)
    # Cherokee has small letters since 2015, which hardly any text uses: case folding prefers its capitals, too.
    return SMALL_CHEROKEE.sub(lambda letters: letters[0].upper(), text)
