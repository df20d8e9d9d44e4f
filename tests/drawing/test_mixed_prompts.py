"""Images generated from mixed prompts: precomputed ones, and recordings mixed with a text."""

import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.settings import DrawSettings
from photism.errors import ModelWarning
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.mixing import interpolate
from photism.prompts.prompt_space import PromptSpace
from photism.prompts.text import encode_text
from tests.support.prompts import assert_equal, make_prompt
from tests.support.tiny_checkpoint import CAPTIONS, make_encoder

WORDS = "a red koala"
WORDS_TOKENS = 9  # its letters, which are all that the tokenizer knows
LENGTH = 13  # tokens of the encoder's prompts


def generate(pipeline, sounds, **settings):
    return pipeline(sounds, num_inference_steps=1, **settings)


def assert_same_image(one, other):
    np.testing.assert_allclose(np.asarray(one, np.int16), np.asarray(other, np.int16), atol=1)


def test_precomputed_prompts_give_the_images_of_their_recordings(pipeline, sounds):
    prompts = pipeline.encoder.encode(sounds)
    ours = generate(pipeline, prompts, seed=3)
    assert_equal(ours.prompts, prompts)
    assert ours.prompts.windows == (1, 1, 1)
    for (image,), (expected,) in zip(ours.images, generate(pipeline, sounds, seed=3).images, strict=True):
        assert_same_image(image, expected)


def test_images_of_mixed_prompts_do_not_depend_on_the_batch(pipeline, sounds):
    first, second = (pipeline.encoder.encode([sound]) for sound in sounds[:2])
    path = interpolate(first, second, 5)
    strips = [generate(pipeline, path, seed=3, batch_size=batch_size) for batch_size in (1, 2, 5)]
    assert strips[0].seeds == [[3]] * 5
    for images in zip(*(strip.images for strip in strips), strict=True):
        for (image,) in images[1:]:
            assert_same_image(image, images[0][0])
    for end, sound in ((0, sounds[0]), (-1, sounds[1])):
        assert_same_image(strips[0].images[end][0], generate(pipeline, sound, seed=3).images[0][0])


@pytest.mark.parametrize(("place", "strength"), [("blend", 0.5), ("before", 1.0), ("after", 1.0), ((2, 5), 1.0)])
def test_strength_interpolates_from_the_text_to_the_recording(pipeline, sounds, place, strength):
    text, sound = pipeline.encode_text([WORDS]).prompt_embeds, pipeline.encoder.encode(sounds[:2]).prompt_embeds
    if place != "blend":
        start, stop = {"before": (1, 1 + WORDS_TOKENS), "after": (LENGTH - WORDS_TOKENS, LENGTH)}.get(place, place)
        sound[:, start:stop] = text[:, 1 : 1 + stop - start]
    for given, weight in ((None, strength), (0, 0.0), (0.3, 0.3), (1, 1.0)):
        output = generate(pipeline, sounds[:2], text=WORDS, text_place=place, sound_strength=given)
        torch.testing.assert_close(output.prompts.prompt_embeds, text + weight * (sound - text))
        assert output.settings.sound_strength == weight


def test_a_text_alone_gives_the_image_of_the_diffusion_pipeline(pipeline, sounds):
    """Use an encoder with the full prompt length; one with fewer tokens truncates the text."""
    torch.manual_seed(0)
    space = PromptSpace.of(pipeline.diffusion, name="sd", captions=CAPTIONS)
    config = make_encoder(space).config
    whole = AudioPromptEncoder.for_space(
        space, encoder=pipeline.encoder.encoder.config, adapter_arguments=config.adapter_arguments
    )
    ours = AudioToImagePipeline(whole, pipeline.diffusion)
    theirs = pipeline.diffusion(WORDS, num_inference_steps=1, generator=torch.Generator().manual_seed(2)).images[0]
    for where in ("blend", "before", (3, 7)):
        image = generate(ours, sounds[0], seed=2, text=WORDS, text_place=where, sound_strength=0).images[0][0]
        assert_same_image(image, theirs)
    assert_same_image(generate(ours, ours.encode_text([WORDS]), seed=2).images[0][0], theirs)


def test_text_prompts_have_the_length_of_the_recordings_prompts(pipeline, xl):
    texts = pipeline.encode_text([WORDS, "rain"])
    expected, _ = encode_text(pipeline.diffusion, [WORDS, "rain"])
    torch.testing.assert_close(texts.prompt_embeds, expected[:, :LENGTH])
    assert texts.pooled_prompt_embeds is None
    assert xl.encode_text(["rain"]).pooled_prompt_embeds.shape == (1, 16)
    for nothing in ([], "rain"):
        with pytest.raises(InputError, match="texts must be a list of at least one text; got"):
            pipeline.encode_text(nothing)


def test_xl_mixes_pooled_embeddings(xl, sounds):
    sound, text = xl.encoder.encode(sounds[:1]), xl.encode_text([WORDS])
    output = generate(xl, sounds[0], text=WORDS, sound_strength=0.25)
    torch.testing.assert_close(output.prompts.pooled_prompt_embeds, 0.25 * sound[1] + 0.75 * text[1])
    output = generate(xl, sounds[0], text=WORDS, text_place="before")
    torch.testing.assert_close(
        output.prompts.pooled_prompt_embeds, torch.lerp(sound[1], text[1], WORDS_TOKENS / (LENGTH - 1))
    )


def test_a_mixed_prompt_can_have_any_negative_prompt(pipeline, sounds):
    for negative in ("empty", "noise", "none", TextPrompt("rain"), sounds[1]):
        generate(pipeline, sounds[0], text=WORDS, text_place="after", negative=negative)


def test_a_bfloat16_pipeline_mixes_float32_prompts(models, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", dtype=torch.bfloat16)
    output = generate(ours, make_prompt(1, length=LENGTH, width=16, pooled=0), text=WORDS)
    assert output.prompts.prompt_embeds.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_place": "before"}, "text_place must be given together with text"),
        ({"text": WORDS, "text_place": "above"}, "one of blend, before, after or a range of tokens; got 'above'"),
        ({"text": WORDS, "text_place": (0, 4)}, "text_place must be a range of tokens within 1:13; got 0:4"),
        ({"text": WORDS, "text_place": (4, 14)}, "text_place must be a range of tokens within 1:13; got 4:14"),
        (
            {"text": "", "text_place": "after"},
            "text must have 1 to 11 tokens to be placed after the recording; it has 0",
        ),
        ({"text": "a photograph", "text_place": "before", "sound_strength": -1}, "sound_strength must be at least 0"),
        ({"text": "twelve tokens", "text_place": "before"}, "to be placed before the recording; it has 12"),
    ],
)
def test_an_invalid_text_is_refused_before_a_recording_is_encoded(pipeline, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match=message):
        pipeline(sounds[0], **settings)


def test_a_text_needs_a_text_encoder(models, pipeline, sounds):
    textless = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion", text_encoder=None, tokenizer=None)
    ours = AudioToImagePipeline(pipeline.encoder, textless)
    with pytest.raises(
        InputError, match="text needs a text encoder, which this diffusion pipeline lacks; load it with one"
    ):
        ours(sounds[0], text=WORDS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (make_prompt(1, length=12, width=16, pooled=0), r"the shapes \[\(1, 13, 16\)\]; got \[\(1, 12, 16\)\]"),
        (make_prompt(1, length=13, width=8, pooled=0), r"the shapes \[\(1, 13, 16\)\]; got \[\(1, 13, 8\)\]"),
        (make_prompt(1, length=13, width=16, pooled=3), r"\[\(1, 13, 16\)\]; got \[\(1, 13, 16\), \(1, 3\)\]"),
        (make_prompt(1, rows=0, length=13, width=16, pooled=0), "prompts must have at least one row"),
        (AudioPrompt(torch.full((1, 13, 16), math.nan), None), "prompts must be finite; got NaN or infinity"),
    ],
)
def test_precomputed_prompts_must_have_the_shape_of_the_encoders_prompts(pipeline, wrong, message):
    with pytest.raises(InputError, match=message):
        pipeline(wrong)


def test_precomputed_prompts_of_xl_must_have_pooled_embeddings(xl):
    with pytest.raises(InputError, match=r"the shapes \[\(1, 13, 32\), \(1, 16\)\]; got \[\(1, 13, 32\)\]"):
        xl(make_prompt(1, length=13, width=32, pooled=0))


LONG = "rain and a dog on a cat in a hat"


def test_a_long_text_is_mixed_in_whole_with_a_prompt_that_is_extended(pipeline, sounds):
    empty, encoder = pipeline.encoder.empty_prompt.prompt_embeds, pipeline.encoder
    output = pipeline(sounds[0], text=LONG, long_text=True, sound_strength=0.25, num_inference_steps=1)
    text = pipeline.encode_text([LONG], long_text=True).prompt_embeds
    chunks = text.shape[1] // encoder.prompt_length
    assert chunks >= 2
    sound = torch.cat([encoder.encode(sounds[:1]).prompt_embeds, *[empty] * (chunks - 1)], dim=1)
    torch.testing.assert_close(output.prompts.prompt_embeds, torch.lerp(text, sound, 0.25))
    with pytest.warns(ModelWarning, match="text is longer than 12 tokens; cut off: 'on a cat in a hat'; long_text"):
        short = pipeline(sounds[0], text=LONG, num_inference_steps=1)
    assert short.prompts.prompt_embeds.shape[1] == encoder.prompt_length


@pytest.mark.parametrize(
    ("text", "text_place", "expected"),
    [
        ("red cat++", "before", []),
        ("red cat++", "after", []),
        ("(red cat)1.2", (2, 8), []),
        ("red cat++", (2, 5), ["text is longer than 3 tokens; cut off: 'cat'"]),
        ("rain", (2, 5), ["text is longer than 3 tokens; cut off: 'rain'"]),
    ],
)
def test_words_that_do_not_fit_into_their_place_are_reported(pipeline, text, text_place, expected):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ModelWarning)
        pipeline.text_mixing(DrawSettings(text=text, text_place=text_place))
    assert [str(each.message) for each in caught if each.category is ModelWarning] == expected


def test_prompt_and_negative_prompt_are_extended_to_the_same_length(models, pipeline, sounds):
    negative = TextPrompt(LONG)
    theirs = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    theirs.set_progress_bar_config(disable=True)
    empty = pipeline.encoder.empty_prompt.prompt_embeds
    words = pipeline.encode_text([LONG], long_text=True).prompt_embeds
    sound = pipeline.encoder.encode(sounds[:1]).prompt_embeds
    sound = torch.cat([sound, *[empty] * (words.shape[1] // empty.shape[1] - 1)], dim=1)
    expected = theirs(
        prompt_embeds=sound,
        negative_prompt_embeds=words,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(0),
    ).images[0]
    found = pipeline(sounds[0], negative=negative, long_text=True, num_inference_steps=2).images[0][0]
    assert np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16)).max() <= 1


def test_a_text_that_is_longer_than_its_place_is_reported(pipeline, sounds):
    with pytest.warns(ModelWarning, match="text is longer than 2 tokens; cut off: 'rain'"):
        pipeline(sounds[0], text="rain", text_place=(1, 3), num_inference_steps=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "a (cat:1.2)"}, r"text has a weight in another syntax, \(cat:1.2\); write \(cat\)1.2"),
        ({"negative": TextPrompt("a (cat:1.2)")}, "negative has a weight in another syntax"),
        ({"text": "a", "long_text": True, "text_place": "after"}, "long_text cannot be combined with text_place"),
    ],
)
def test_texts_are_checked_with_the_settings(settings, message):
    with pytest.raises(InputError, match=message):
        DrawSettings(**settings)
