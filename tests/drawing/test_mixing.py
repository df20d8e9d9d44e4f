"""What is mixed of prompts, and what reaches the UNet of it."""

import math

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError
from photism.drawing.negative_prompt import TextPrompt
from photism.prompts.audio_prompt_encoder import AudioPrompt
from photism.prompts.mixing import blend, interpolate, place, with_strength
from photism.prompts.prompt_space import PromptSpace, encode_text
from tests.support.tiny_checkpoint import CAPTIONS, make_encoder

WORDS = "a red koala"
WORDS_TOKENS = 9  # its letters, which are all that the tokenizer knows
LENGTH = 13  # tokens of the encoder's prompts


def prompt(seed, rows=1, length=5, width=4, pooled=3, dtype=torch.float32):
    noise = torch.Generator().manual_seed(seed)
    return AudioPrompt(
        torch.randn(rows, length, width, generator=noise).to(dtype),
        torch.randn(rows, pooled, generator=noise).to(dtype) if pooled else None,
    )


def assert_equal(one, other, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    torch.testing.assert_close(one.prompt_embeds, other.prompt_embeds, **tolerance)
    torch.testing.assert_close(one.pooled_prompt_embeds, other.pooled_prompt_embeds, **tolerance)


def drawn(pipeline, sounds, **settings):
    return pipeline(sounds, num_inference_steps=1, **settings)


def assert_same_picture(one, other):
    np.testing.assert_allclose(np.asarray(one, np.int16), np.asarray(other, np.int16), atol=1)


def test_a_blend_is_the_mean_by_weight():
    first, second = (AudioPrompt(torch.full((1, 2, 2), value), torch.full((1, 1), -value)) for value in (1.0, 4.0))
    mixed = blend([first, second], [2, 1])
    torch.testing.assert_close(mixed.prompt_embeds, torch.full((1, 2, 2), 2.0))
    torch.testing.assert_close(mixed.pooled_prompt_embeds, torch.full((1, 1), -2.0))
    assert_equal(blend([first, second], [200, 100]), mixed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prompt_that_alone_has_a_weight_is_left_as_it_is(dtype):
    first, second = prompt(1, dtype=dtype), prompt(2, dtype=dtype)
    assert_equal(blend([first, second], (1, 0)), first)
    assert_equal(blend([first, second], (0, 7)), second)
    assert_equal(blend([first], [0.3]), first)


def test_a_blend_of_rows_takes_another_for_all_of_them():
    rows, text = prompt(1, rows=3), prompt(2)
    mixed = blend([rows, text], [1, 1])
    expected = [blend([AudioPrompt(rows[0][i : i + 1], rows[1][i : i + 1]), text], [1, 1]) for i in range(3)]
    for index, row in enumerate(expected):
        assert_equal(AudioPrompt(mixed[0][index : index + 1], mixed[1][index : index + 1]), row)


def test_shares_stay_while_they_are_the_mixtures():
    first, second = (prompt(row)._replace(shares=torch.eye(2)[row : row + 1]) for row in (0, 1))
    text = prompt(2)
    torch.testing.assert_close(blend([first, second], [1, 3]).shares, torch.tensor([[0.25, 0.75]]))
    assert blend([first, text], [1, 1]).shares is None
    assert place(first, text, 1, 2).shares is None
    assert with_strength(first, text, 0.5).shares is None
    assert with_strength(first, text, 1.0).shares is first.shares


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_way_between_prompts_starts_and_ends_with_them(dtype):
    first, second = prompt(1, dtype=dtype), prompt(2, dtype=dtype)
    way = interpolate(first, second, 5)
    assert way.prompt_embeds.shape == (5, 5, 4)
    assert way.prompt_embeds.dtype == dtype
    assert_equal(AudioPrompt(way[0][:1], way[1][:1]), first)
    assert_equal(AudioPrompt(way[0][-1:], way[1][-1:]), second)
    assert_equal(AudioPrompt(way[0][1:2], way[1][1:2]), blend([first, second], [3, 1]))
    assert interpolate(prompt(1, pooled=0), prompt(2, pooled=0), 2).pooled_prompt_embeds is None


def test_a_text_takes_the_place_of_tokens():
    sounds, text = prompt(1, rows=2), prompt(2)
    mixed = place(sounds, text, 2, 4)
    torch.testing.assert_close(mixed.prompt_embeds[:, [0, 1, 4]], sounds.prompt_embeds[:, [0, 1, 4]], rtol=0, atol=0)
    torch.testing.assert_close(
        mixed.prompt_embeds[:, 2:4], text.prompt_embeds[:, 1:3].expand(2, -1, -1), rtol=0, atol=0
    )
    torch.testing.assert_close(mixed.pooled_prompt_embeds, (sounds[1] + text[1]) / 2)  # two tokens of four
    assert_equal(sounds, prompt(1, rows=2))
    everything = place(sounds, text, 1, 5)
    torch.testing.assert_close(everything.pooled_prompt_embeds, text[1].expand(2, -1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "weights must be one for each sound, 2; got 1"),
        ([0, 0], "weights must be 0 or more, finite and not all 0; got 0, 0"),
        ([2, -1], "weights must be 0 or more, finite and not all 0; got 2, -1"),
        ([1, math.nan], "not all 0; got 1, nan"),
        ([1, math.inf], "not all 0; got 1, inf"),
    ],
)
def test_weights_must_be_of_use(weights, message):
    with pytest.raises(InputError, match=message):
        blend([prompt(1), prompt(2)], weights)


@pytest.mark.parametrize("other", [prompt(2, length=4), prompt(2, width=3), prompt(2, pooled=0), prompt(2, rows=2)])
def test_shapes_must_fit(other):
    with pytest.raises(InputError, match=r"prompts must be of one shape \(B, S, D\), .* got .* and \[\(1, 5, 4\)"):
        blend([prompt(1), other], [1, 1])
    if len(other.prompt_embeds) == 1:
        with pytest.raises(InputError, match="prompts must be of one shape"):
            place(prompt(1), other, 1, 2)


def test_there_must_be_prompts_to_mix():
    with pytest.raises(InputError, match="prompts must be a list of prompts; got a single one"):
        blend(prompt(1, rows=2), [1, 1])
    with pytest.raises(InputError, match="not all 0; got"):
        blend([], [])
    with pytest.raises(InputError, match="count must be at least 2, for the two ends; got 1"):
        interpolate(prompt(1), prompt(2), 1)
    with pytest.raises(InputError, match="second must be a prompt of one row; got 2"):
        interpolate(prompt(1), prompt(2, rows=2), 3)


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (3, 3), (3, 2), (4, 6), (-2, 3)])
def test_there_must_be_such_tokens(start, stop):
    with pytest.raises(InputError, match=f"text_place must be a range of tokens within 1:5; got {start}:{stop}"):
        place(prompt(1), prompt(2), start, stop)


def test_prompts_are_drawn_as_their_sounds_are(pipeline, sounds):
    prompts = pipeline.encoder.encode(sounds)
    ours = drawn(pipeline, prompts, seed=3)
    assert_equal(ours.prompts, prompts)
    assert ours.prompts.windows == (1, 1, 1)
    for (picture,), (expected,) in zip(ours.images, drawn(pipeline, sounds, seed=3).images, strict=True):
        assert_same_picture(picture, expected)


def test_a_mixed_picture_is_the_same_whatever_the_batch(pipeline, sounds):
    first, second = (pipeline.encoder.encode([sound]) for sound in sounds[:2])
    way = interpolate(first, second, 5)
    strips = [drawn(pipeline, way, seed=3, batch_size=batch_size) for batch_size in (1, 2, 5)]
    assert strips[0].seeds == [[3]] * 5
    for pictures in zip(*(strip.images for strip in strips), strict=True):
        for (picture,) in pictures[1:]:
            assert_same_picture(picture, pictures[0][0])
    for end, sound in ((0, sounds[0]), (-1, sounds[1])):
        assert_same_picture(strips[0].images[end][0], drawn(pipeline, sound, seed=3).images[0][0])


@pytest.mark.parametrize(("place", "strength"), [("blend", 0.5), ("before", 1.0), ("after", 1.0), ((2, 5), 1.0)])
def test_strength_goes_from_the_text_to_the_sound(pipeline, sounds, place, strength):
    text, sound = pipeline.encode_text([WORDS]).prompt_embeds, pipeline.encoder.encode(sounds[:2]).prompt_embeds
    if place != "blend":
        start, stop = {"before": (1, 1 + WORDS_TOKENS), "after": (LENGTH - WORDS_TOKENS, LENGTH)}.get(place, place)
        sound[:, start:stop] = text[:, 1 : 1 + stop - start]
    for given, share in ((None, strength), (0, 0.0), (0.3, 0.3), (1, 1.0)):
        output = drawn(pipeline, sounds[:2], text=WORDS, text_place=place, sound_strength=given)
        torch.testing.assert_close(output.prompts.prompt_embeds, text + share * (sound - text))
        assert output.sound_strength == share


def test_a_text_alone_is_drawn_as_the_diffusion_pipeline_draws_it(pipeline, sounds):
    """Where the encoder's prompts are as long as its own; of one that makes fewer, the text is cut."""
    torch.manual_seed(0)
    space = PromptSpace.of(pipeline.diffusion, name="sd", captions=CAPTIONS)
    config = make_encoder(space).config
    whole = AudioPromptEncoder.for_space(
        space, encoder=pipeline.encoder.encoder.config, adapter_arguments=config.adapter_arguments
    )
    ours = AudioToImagePipeline(whole, pipeline.diffusion)
    theirs = pipeline.diffusion(WORDS, num_inference_steps=1, generator=torch.Generator().manual_seed(2)).images[0]
    for where in ("blend", "before", (3, 7)):
        picture = drawn(ours, sounds[0], seed=2, text=WORDS, text_place=where, sound_strength=0).images[0][0]
        assert_same_picture(picture, theirs)
    assert_same_picture(drawn(ours, ours.encode_text([WORDS]), seed=2).images[0][0], theirs)


def test_texts_are_as_long_as_sounds(pipeline, xl):
    texts = pipeline.encode_text([WORDS, "rain"])
    expected, _ = encode_text(pipeline.diffusion, [WORDS, "rain"])
    torch.testing.assert_close(texts.prompt_embeds, expected[:, :LENGTH])
    assert texts.pooled_prompt_embeds is None
    assert xl.encode_text(["rain"]).pooled_prompt_embeds.shape == (1, 16)
    for nothing in ([], "rain"):
        with pytest.raises(InputError, match="texts must be a list of at least one text; got"):
            pipeline.encode_text(nothing)


def test_xl_mixes_pooled_vectors(xl, sounds):
    sound, text = xl.encoder.encode(sounds[:1]), xl.encode_text([WORDS])
    output = drawn(xl, sounds[0], text=WORDS, sound_strength=0.25)
    torch.testing.assert_close(output.prompts.pooled_prompt_embeds, 0.25 * sound[1] + 0.75 * text[1])
    output = drawn(xl, sounds[0], text=WORDS, text_place="before")
    torch.testing.assert_close(
        output.prompts.pooled_prompt_embeds, torch.lerp(sound[1], text[1], WORDS_TOKENS / (LENGTH - 1))
    )


def test_a_mixed_prompt_takes_any_negative(pipeline, sounds):
    for negative in ("empty", "noise", "none", TextPrompt("rain"), sounds[1]):
        drawn(pipeline, sounds[0], text=WORDS, text_place="after", negative=negative)


def test_halves_of_another_type_are_mixed(models, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", dtype=torch.bfloat16)
    output = drawn(ours, prompt(1, length=LENGTH, width=16, pooled=0), text=WORDS)
    assert output.prompts.prompt_embeds.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_place": "before"}, "text_place must be left out where there is no text; got before"),
        ({"text": WORDS, "text_place": "above"}, "one of blend, before, after or a range of tokens; got 'above'"),
        ({"text": WORDS, "text_place": (0, 4)}, "text_place must be a range of tokens within 1:13; got 0:4"),
        ({"text": WORDS, "text_place": (4, 14)}, "text_place must be a range of tokens within 1:13; got 4:14"),
        ({"text": "", "text_place": "after"}, "text must have 1 to 11 tokens to stand after the sound; it has 0"),
        ({"text": "a photograph", "text_place": "before", "sound_strength": -1}, "sound_strength must be 0"),
        ({"text": "twelve tokens", "text_place": "before"}, "to stand before the sound; it has 12"),
    ],
)
def test_a_wrong_text_is_told_before_a_sound_is_encoded(pipeline, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match=message):
        pipeline(sounds[0], **settings)


def test_a_text_needs_a_text_encoder(models, pipeline, sounds):
    textless = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion", text_encoder=None, tokenizer=None)
    ours = AudioToImagePipeline(pipeline.encoder, textless)
    with pytest.raises(InputError, match="text needs a text encoder, and diffusion has none: load it with one"):
        ours(sounds[0], text=WORDS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (prompt(1, length=12, width=16, pooled=0), r"of the shape \[\(1, 13, 16\)\]; got \[\(1, 12, 16\)\]"),
        (prompt(1, length=13, width=8, pooled=0), r"of the shape \[\(1, 13, 16\)\]; got \[\(1, 13, 8\)\]"),
        (prompt(1, length=13, width=16, pooled=3), r"\[\(1, 13, 16\)\]; got \[\(1, 13, 16\), \(1, 3\)\]"),
        (prompt(1, rows=0, length=13, width=16, pooled=0), "sounds must be prompts of at least one row"),
        (AudioPrompt(torch.full((1, 13, 16), math.nan), None), "prompts of finite numbers; got NaN or infinity"),
    ],
)
def test_ready_prompts_must_be_as_the_encoder_makes_them(pipeline, wrong, message):
    with pytest.raises(InputError, match=message):
        pipeline(wrong)


def test_ready_prompts_of_xl_must_have_pooled_vectors(xl):
    with pytest.raises(InputError, match=r"of the shape \[\(1, 13, 32\), \(1, 16\)\]; got \[\(1, 13, 32\)\]"):
        xl(prompt(1, length=13, width=32, pooled=0))
