"""Embeddings of textual inversion."""

import shlex
import sys

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from photism import AudioToImagePipeline, CaptionRanker, InputError
from photism.drawing.negative_prompt import TextPrompt
from photism.prompts.settings import parse_embeddings
from photism.prompts.text import count_tokens
from tests.support.tiny_checkpoint import CAPTIONS

WIDTH = 16


def vectors(count, seed=0, width=WIDTH):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """Return embedding files in each layout."""
    folder = tmp_path_factory.mktemp("embeddings")
    contents = {
        "style": {"emb_params": vectors(3)},
        "diffusers": {"<cat>": vectors(1, seed=1)[0]},
        "xl": {"clip_l": vectors(2, seed=2), "clip_g": vectors(2, seed=3)},
    }
    for name, content in contents.items():
        save_file(content, folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in contents}


@pytest.fixture(scope="module")
def ours(models, embeddings):
    """Return a pipeline with two embeddings: of three vectors with the token koala, and of one named in its file."""
    given = {"embedding": [(embeddings["style"], "koala"), (embeddings["diffusers"], None)]}
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **given)


def test_tokens_of_the_users_words_are_those_of_diffusers(models, ours, embeddings):
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    theirs.load_textual_inversion(load_file(embeddings["style"])["emb_params"], token="koala")
    theirs.load_textual_inversion(str(embeddings["diffusers"]))
    for text in ("a koala", "a <cat>, a koala", "rain"):
        expected = theirs.encode_prompt(text, "cpu", 1, False)[0]
        length = ours.encoder.prompt_length
        torch.testing.assert_close(ours.encode_text([text]).prompt_embeds, expected[:, :length])
    assert count_tokens("a koala", ours.diffusion) == 4


def test_what_is_recognised_is_the_same_with_an_embedding(models, ours, sounds):
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert not torch.equal(*(each.encode_text(["a koala"]).prompt_embeds for each in (ours, plain)))
    scores = [
        CaptionRanker(each.encoder, each.diffusion, CAPTIONS).score_prompts(each.encoder.encode(sounds[:2]))
        for each in (ours, plain)
    ]
    assert torch.equal(*scores)  # although "A koala." is a caption


def test_a_token_in_a_negative_prompt(models, ours, sounds):
    negative = TextPrompt("a koala")
    drawn = ours(sounds[0], num_inference_steps=1, negative=negative)
    theirs = diffusers.StableDiffusionPipeline(**ours.diffusion.components, requires_safety_checker=False)
    length = ours.encoder.prompt_length
    expected = theirs(
        prompt_embeds=drawn.prompts.prompt_embeds,
        negative_prompt_embeds=theirs.encode_prompt("a koala", "cpu", 1, False)[0][:, :length],
        num_inference_steps=1,
        guidance_scale=drawn.settings.guidance_scale,
        generator=torch.Generator().manual_seed(0),
    )
    assert drawn.images[0][0].tobytes() == expected.images[0].tobytes()


def test_an_embedding_of_xl_has_vectors_for_both_text_encoders(models, embeddings):
    ours = AudioToImagePipeline.from_pretrained(models / "xl", device="cpu", embedding=embeddings["xl"])
    theirs = diffusers.StableDiffusionXLPipeline.from_pretrained(models / "xl/diffusion")
    content = load_file(embeddings["xl"])
    for key, tokenizer, encoder in (
        ("clip_l", theirs.tokenizer, theirs.text_encoder),
        ("clip_g", theirs.tokenizer_2, theirs.text_encoder_2),
    ):
        theirs.load_textual_inversion(content[key], token="xl", tokenizer=tokenizer, text_encoder=encoder)
    expected = theirs.encode_prompt("xl", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    found = ours.encode_text(["xl"])
    torch.testing.assert_close(found.prompt_embeds, expected[0][:, : ours.encoder.prompt_length])
    torch.testing.assert_close(found.pooled_prompt_embeds, expected[2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"emb_params": vectors(1, width=768)},
            r"for Stable Diffusion 1\.x \(vectors of width 768\); .* width of 16",
        ),
        (
            {"clip_l": vectors(1, width=768), "clip_g": vectors(1, width=1280)},
            r"is for Stable Diffusion XL \(vectors of width 768 and 1280\); diffusion needs .* of 16",
        ),
        ({"emb_params": vectors(1) * torch.nan}, "is damaged: its vectors are not finite"),
        ({"my cat": vectors(1)}, "must have a token without spaces; name one: .*:TOKEN"),
        ({"lora_unet_a.lora_down.weight": vectors(1)}, "embedding cannot use .* LoRA weights; give it as lora"),
    ],
)
def test_an_embedding_that_does_not_fit_is_refused_before_anything_is_loaded(load, tmp_path, content, message):
    save_file(content, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=message):
        load(embedding=tmp_path / "a.safetensors")


def test_tokens_that_cannot_be_added(models, load, embeddings):
    twice = [(embeddings["style"], "a"), (embeddings["diffusers"], "a")]
    with pytest.raises(InputError, match=r"has the token a of .*; name another"):
        load(embedding=twice)
    with pytest.raises(InputError, match=r"needs .*both of its text encoders"):
        load("xl", embedding=embeddings["style"])


def test_a_token_of_the_tokenizer_is_refused(models, embeddings):
    with pytest.raises(InputError, match=r"embedding .* cannot be loaded: Token a already in tokenizer vocabulary"):
        AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", embedding={embeddings["style"]: "a"})


def test_the_command_that_converts_a_pickled_embedding(load, tmp_path, monkeypatch):
    for name, content in (("a", {"string_to_param": {"*": vectors(2)}, "name": "x"}), ("b", {"<b>": vectors(1)})):
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(InputError) as error:
            load(embedding=tmp_path / f"{name}.pt")
        words = shlex.split(str(error.value).partition("convert it: ")[2])
        assert words[:2] == ["python", "-c"]
        monkeypatch.setattr(sys, "argv", words[1:2] + words[3:])
        exec(words[2], {})
    assert load_file(tmp_path / "a.safetensors").keys() == {"emb_params"}
    assert load_file(tmp_path / "b.safetensors").keys() == {"<b>"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.safetensors", ("a.safetensors", None)),
        ("a.safetensors:<cat>", ("a.safetensors", "<cat>")),
        ("owner/name:cat", ("owner/name", "cat")),
        (r"C:\a.safetensors", (r"C:\a.safetensors", None)),
        ("C:a.safetensors", ("C:a.safetensors", None)),
    ],
)
def test_the_flag_names_a_file_and_a_token(given, expected):
    assert parse_embeddings([given]) == (expected,)
