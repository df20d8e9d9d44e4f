"""Texts in other languages that stand for captions: similarity by hand, ties, thresholds, and damaged files."""

import json
import math

import pytest

from photism.errors import InputError
from photism.hub import bundled_model
from photism.prompts.caption_translations import CaptionTranslations, Meaning
from photism.prompts.model_files import TRANSLATIONS as FILE
from photism.prompts.model_files import load_captions

CAPTIONS = ["An owl.", "A dog.", "A wild dog.", "A piano."]
TRANSLATIONS = {
    "fr": ["Un hibou.", "Un chien.", "Un chien.", "Un piano."],
    "ru": ["Сова.", "Собака.", None, "Пианино."],
}


@pytest.fixture
def translations():
    return CaptionTranslations(CAPTIONS, TRANSLATIONS)


@pytest.mark.parametrize(
    ("text", "language", "captions"),
    [
        ("Un hibou.", "fr", ["An owl."]),
        ("hibou", "fr", ["An owl."]),
        ("HIBOUX", "fr", ["An owl."]),
        ("un chien", "fr", ["A dog.", "A wild dog."]),
        ("сова", "ru", ["An owl."]),
        ("собаки", "ru", ["A dog."]),
    ],
)
def test_a_text_in_another_language_stands_for_the_captions_that_are_spelled_like_it(
    translations, text, language, captions
):
    assert translations.find(text) == Meaning(language, tuple(captions))


@pytest.mark.parametrize("text", ["an owl", "A piano at night", "piano", "thunder", "", "1234", "музыка", "…"])
def test_english_and_unknown_texts_are_taken_as_they_are(translations, text):
    assert translations.find(text) is None


def test_without_translations_every_text_is_taken_as_it_is():
    assert CaptionTranslations(CAPTIONS, {}).find("Un hibou.") is None


def test_the_similarity_is_the_cosine_of_trigrams_weighted_by_rarity(translations):
    # " ab" and "ab " are in one of two texts, so that each weighs log(3/1); a trigram of neither weighs log 3, too.
    spelling = CaptionTranslations(["x", "y"], {"fr": ["ab", "cd"]})._spellings["fr"]
    similarity, nearest = spelling.nearest([" ab", "ab ", "zzz"])
    assert nearest == [0]
    assert similarity == pytest.approx(2 / math.sqrt(2 * 3))


def test_words_in_four_languages_are_found_in_the_bundled_translations():
    folder = bundled_model()
    translations = CaptionTranslations.read(folder, load_captions(folder))
    for text in ("un hibou", "una lechuza en la noche", "Eule", "сова", "フクロウ"):
        meaning = translations.find(text)
        assert meaning is not None
        assert meaning.captions == ("An owl.",)
    for text in ("hiboux", "lechuzas"):  # with an ending
        assert translations.find(text) is not None
    for text in ("a siren", "an owl at night", "birds singing in the forest", "the sound of traffic", "music and rain"):
        assert translations.find(text) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fr": ["Un hibou."]}, "fr must be a list of 4 texts or null, one for each caption"),
        ({"fr": "Un hibou."}, "fr must be a list of 4 texts"),
        ({"fr": [1, 2, 3, 4]}, "fr must be a list of 4 texts"),
    ],
)
def test_a_file_that_does_not_fit_the_captions_is_refused(tmp_path, content, message):
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        CaptionTranslations.read(tmp_path, CAPTIONS)


def test_a_model_may_have_no_translations(tmp_path):
    assert CaptionTranslations.read(tmp_path, CAPTIONS).languages == ()
