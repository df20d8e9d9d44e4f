"""Words of texts in the tokens of vocabularies of characters and subwords."""

import string

import pytest

from photism import InputError
from photism.listening.transcription.forced_alignment import WILDCARD
from photism.listening.transcription.spelling import Speller
from photism.listening.transcription.vocabulary import Vocabulary

LOWER = Vocabulary(("", " ", *string.ascii_lowercase, "'"), 0)
UPPER = Vocabulary(("", " ", *string.ascii_uppercase), 0)


def spell(word, vocabulary=LOWER):
    """Return the tokens of each part of a word, with * for a wildcard."""
    return [
        [vocabulary.tokens[token] if token != WILDCARD else "*" for token, _ in part]
        for part in Speller(vocabulary)(word)
    ]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("“Hello,”", ["hello"]),
        ("Don’t", ["don't"]),
        ("well-known", ["well", "known"]),
        ("word—word", ["word", "word"]),
        ("and/or", ["and", "or"]),
        ("café", ["cafe"]),
        ("ﬁne", ["fine"]),
        ("STRASSE", ["strasse"]),
        ("straße", ["strasse"]),
        ("co\u00adop", ["coop"]),
        ("U.S.", ["us"]),
        ("1,000", ["*"]),
        ("$5", ["*"]),
        ("COVID-19", ["covid", "*"]),
        ("3rd", ["*rd"]),
        ("B&B", ["b*b"]),
        ("Привет", ["*"]),
        ("—", []),
        ("…", []),
        ("😀", []),
    ],
)
def test_a_word_is_spelled_in_the_letters_of_the_vocabulary(word, parts):
    assert ["".join(part) for part in spell(word)] == parts
    if parts:
        assert "".join(text for part in Speller(LOWER)(word) for _, text in part) == word


def test_the_vocabulary_has_the_case_and_the_punctuation():
    assert spell("Don't", UPPER) == [list("DONT")]
    assert spell("İstanbul", UPPER) == [list("ISTANBUL")]
    with_hyphen = Vocabulary(("", " ", *"abc-"), 0)
    assert spell("a-b", with_hyphen) == [list("a-b")]
    assert spell("a–b", with_hyphen) == [list("a-b")]
    assert spell("-", with_hyphen) == []


def test_letters_of_other_scripts_keep_their_words():
    armenian = Vocabulary(("", " ", *"ինչու"), 0)
    assert spell("ինչո՞ւ", armenian) == [list("ինչու")]
    assert spell("你好，世界！", Vocabulary(("", *"你好世界"), 0)) == [list("你好"), list("世界")]
    assert spell("각", Vocabulary(("", *"\u1100\u1161\u11a8"), 0)) == [["\u1100", "\u1161", "\u11a8"]]


def test_subwords_are_as_long_as_possible_and_begin_words():
    subwords = Vocabulary(("", " ", " the", " un", "der", "s", "stand", "t", "a", "n", "d"), 0)
    assert spell("the", subwords) == [[" the"]]
    assert spell("understands", subwords) == [[" un", "der", "stand", "s"]]
    assert spell("and", subwords) == [["a", "n", "d"]]
    assert spell("her", subwords) == [["*"]]


def test_phonemes_are_refused():
    with pytest.raises(InputError, match="a model of characters only; this one predicts phonemes"):
        Speller(Vocabulary(("", "a ", "b "), 0))
