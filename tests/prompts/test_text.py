"""Captions encoded by the text encoder of a diffusion pipeline."""

import logging

import compel
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from photism import AudioToImagePipeline, InputError
from photism.errors import ModelWarning
from photism.prompts.text import count_tokens, encode_text, encode_text_prompt


@pytest.fixture(scope="module")
def diffusion(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu").diffusion


@pytest.fixture(scope="module")
def xl(models):
    return AudioToImagePipeline.from_pretrained(models / "xl", device="cpu").diffusion


def encode(pipeline, text, **settings):
    length = pipeline.tokenizer.model_max_length
    return encode_text_prompt(pipeline, [text], length=length, dtype=torch.float32, **settings)


def test_embeddings_are_those_of_the_text_encoder(diffusion):
    ids = diffusion.tokenizer(["rain", "a dog"], padding="max_length", return_tensors="pt").input_ids
    expected = diffusion.text_encoder(ids).last_hidden_state
    found, pooled = encode_text(diffusion, ["rain", "a dog"])
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-6)
    assert (found.dtype, found.requires_grad, pooled) == (torch.float32, False, None)


def test_a_long_caption_is_truncated_without_a_warning(diffusion, caplog):
    logger = diffusers_logging.get_logger("diffusers")
    before = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING):
            found, _ = encode_text(diffusion, ["a very long caption " * 30])
    finally:
        logger.removeHandler(caplog.handler)
    assert found.shape[1] == diffusion.tokenizer.model_max_length
    assert not caplog.records
    assert (diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()) == before


def test_a_text_prompt_has_the_first_tokens_and_the_given_dtype(diffusion):
    prompt = encode_text_prompt(diffusion, ["rain"], length=5, dtype=torch.bfloat16)
    full, _ = encode_text(diffusion, ["rain"])
    assert torch.equal(prompt.prompt_embeds, full[:, :5].bfloat16())


def test_tokens_are_counted_without_bos_eos_and_padding(diffusion):
    assert count_tokens("rain", diffusion) == 4  # the tokenizer of these tests knows letters only
    assert count_tokens("", diffusion) == 0


def test_a_text_encoder_is_needed(models):
    textless = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion", text_encoder=None, tokenizer=None)
    with pytest.raises(InputError, match="negative needs a text encoder, which this diffusion pipeline lacks"):
        encode_text_prompt(textless, ["rain"], length=5, dtype=torch.float32, name="negative")


@pytest.mark.parametrize("text", ["a cat++ asleep", "(red cat)1.4, a dog-", "a (cat)0.3"])
@pytest.mark.parametrize("model", ["sd", "xl"])
def test_weights_of_words_are_those_of_compel(diffusion, xl, model, text):
    pipeline = diffusion if model == "sd" else xl
    theirs = (compel.CompelForSD if model == "sd" else compel.CompelForSDXL)(pipeline)
    found = encode(pipeline, text)
    torch.testing.assert_close(found.prompt_embeds, theirs(text).embeds.detach(), rtol=0, atol=1e-6)
    plain = encode(pipeline, text.translate(str.maketrans("", "", "()+-.0134")))
    assert (found.prompt_embeds - plain.prompt_embeds).abs().max() > 1e-2
    if model == "xl":  # of which compel encodes the signs, too
        assert found.pooled_prompt_embeds.shape == plain.pooled_prompt_embeds.shape


@pytest.mark.parametrize("text", ["", "rain", "a jet-black cat", "a dog (asleep)"])
def test_a_text_without_weights_is_encoded_to_the_same_bits(diffusion, text):
    expected, _ = encode_text(diffusion, [text])
    for is_long in (False, True):
        assert torch.equal(encode(diffusion, text, is_long=is_long).prompt_embeds, expected)


def test_words_that_are_cut_off_are_reported(diffusion):
    with pytest.warns(ModelWarning, match="negative is longer than 9 tokens; cut off: 'asleep'; long_text"):
        encode_text_prompt(diffusion, ["a cat a dog asleep"], length=10, dtype=torch.float32, name="negative")


def test_a_long_text_is_encoded_in_the_chunks_of_compel(diffusion):
    length = diffusion.tokenizer.model_max_length
    text = "rain and a dog on a cat in a hat by a mat"
    theirs = compel.Compel(
        tokenizer=diffusion.tokenizer,
        text_encoder=diffusion.text_encoder,
        truncate_long_prompts=False,
        split_long_text_mode=compel.SplitLongTextMode.WORDS,
    )
    found = encode_text_prompt(
        diffusion, [text, "rain"], length=length, dtype=torch.float32, is_long=True
    ).prompt_embeds
    torch.testing.assert_close(found[:1], theirs(text).detach(), rtol=0, atol=1e-6)
    chunks = found.shape[1] // length
    assert chunks >= 2
    (empty, _), (short, _) = encode_text(diffusion, [""]), encode_text(diffusion, ["rain"])
    assert torch.equal(found[1:], torch.cat([short, *[empty] * (chunks - 1)], dim=1))


def test_chunks_have_the_length_of_the_prompts_of_recordings(diffusion):
    text = "rain and a dog on a cat"
    found = encode_text_prompt(diffusion, [text], length=10, dtype=torch.float32, is_long=True).prompt_embeds
    assert found.shape[1] % 10 == 0
    first, _ = encode_text(diffusion, ["rain and"])
    assert (found[:, :8] - first[:, :8]).abs().max() < 1e-5
