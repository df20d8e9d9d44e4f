"""CLIP's tokenizer: published numbers of tokens."""

import pytest

from photism.prompts.diffusion.clip_tokenizer import VOCABULARY_SIZE, clip_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return clip_tokenizer()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a photo of a cat", [49406, 320, 1125, 539, 320, 2368, 49407]),
        ("A  diagram", [49406, 320, 22697, 49407]),
        ("", [49406, 49407]),
        ("!", [49406, 256, 49407]),
        # Of OpenAI's own tokenizer, bytes that are not printable in Latin-1 included.
        ("élève 日本語", [49406, 3459, 75, 12138, 563, 39121, 44353, 34002, 508, 49407]),
    ],
)
def test_numbers_of_tokens(text, tokens, tokenizer):
    assert tokenizer(text).input_ids == tokens


def test_padding(tokenizer):
    assert len(tokenizer) == VOCABULARY_SIZE == 49_408
    assert tokenizer.model_max_length == 77
    assert tokenizer("cat", padding="max_length").input_ids == [49406, 2368, *[49407] * 75]
    assert clip_tokenizer(pad_token="!")("cat", padding="max_length").input_ids == [49406, 2368, 49407, *[0] * 74]
