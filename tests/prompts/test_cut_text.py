"""Words that a tokenizer cuts off are reported in one line."""

import warnings

import pytest

from photism.errors import ModelWarning
from photism.hub import bundled_model
from photism.prompts.cut_text import cut_words, report_cut_texts

LONG = "a banana and an elephant and a butterfly and a koala and a rooster"


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(bundled_model() / "diffusion/tokenizer")


def test_the_end_begins_with_the_first_word_that_is_cut(tokenizer):
    assert cut_words(tokenizer, LONG, 14) == "koala and a rooster"
    assert cut_words(tokenizer, "a banana", 14) == ""
    assert cut_words(tokenizer, "", 1) == ""
    count = len(tokenizer.tokenize(LONG))
    assert cut_words(tokenizer, LONG, count) == ""
    assert cut_words(tokenizer, LONG, count - 1) == "rooster"


def test_one_line_for_all_texts(tokenizer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ModelWarning)
        report_cut_texts(tokenizer, [LONG], limit=14, name="text", remedy="--long-text encodes it in chunks")
        report_cut_texts(tokenizer, [LONG, "a cat", LONG], limit=14, name="caption")
    assert [str(each.message) for each in caught] == [
        "text is longer than 14 tokens; cut off: 'koala and a rooster'; --long-text encodes it in chunks",
        "2 of 3 captions are longer than 14 tokens; cut off: 'koala and a rooster'",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_cut_texts(tokenizer, ["a cat"], limit=14, name="text")
