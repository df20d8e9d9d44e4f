"""Captions encoded by the text encoder of a diffusion pipeline."""

import logging

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from photism import AudioToImagePipeline, InputError
from photism.prompts.text import count_tokens, encode_text, encode_text_prompt


@pytest.fixture(scope="module")
def diffusion(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu").diffusion


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
