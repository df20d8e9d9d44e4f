"""AudioToImagePipeline beside the diffusers pipelines that it drives."""

import math
from copy import copy

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError, Waveform
from photism.drawing.negative_prompt import TextPrompt
from photism.prompts.text import encode_text

STEPS = 2
LEVELS = 1  # of 255: the products of another batch size round differently


@pytest.fixture
def given(monkeypatch):
    """Every call of a UNet: its keyword arguments."""
    calls = []
    from diffusers import UNet2DConditionModel

    forward = UNet2DConditionModel.forward

    def spy(self, *arguments, **keywords):
        calls.append(keywords)
        return forward(self, *arguments, **keywords)

    monkeypatch.setattr(UNet2DConditionModel, "forward", spy)
    return calls


def away_and_towards(given):
    return given[0]["encoder_hidden_states"].chunk(2)


def assert_same_picture(one, other):
    np.testing.assert_allclose(np.asarray(one, np.int16), np.asarray(other, np.int16), atol=LEVELS)


def differ(one, other):
    return np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() > LEVELS


def test_a_picture_is_that_of_stable_diffusion_given_the_prompt(pipeline, sounds):
    ours = pipeline(sounds, seed=7, num_inference_steps=STEPS, guidance_scale=5.0)
    prompt = pipeline.encoder.encode(sounds).prompt_embeds
    theirs = pipeline.diffusion(
        prompt_embeds=prompt,
        negative_prompt_embeds=pipeline.encoder.negative[: prompt.shape[1]].expand_as(prompt),
        latents=torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7)).expand(3, -1, -1, -1),
        num_inference_steps=STEPS,
        guidance_scale=5.0,
    ).images
    for (our,), their in zip(ours.images, theirs, strict=True):
        assert_same_picture(our, their)


def test_the_same_seed_gives_the_same_picture_whatever_the_batch(pipeline, sounds):
    alone = pipeline(sounds[2], seed=5, num_inference_steps=STEPS).images[0][0]
    for batch_size in (1, 2, 4, 6):
        drawn = pipeline(sounds, seed=4, images_per_sound=2, num_inference_steps=STEPS, batch_size=batch_size)
        assert drawn.seeds == [[4, 5]] * 3
        assert_same_picture(drawn.images[2][1], alone)
        assert differ(drawn.images[2][0], alone)
        assert differ(drawn.images[1][1], alone)


def test_seeds_may_be_listed_or_random(pipeline, sounds):
    listed = pipeline(sounds[0], seed=[9, 4], images_per_sound=2, num_inference_steps=1)
    assert listed.seeds == [[9, 4]]
    first, second = (pipeline(sounds[:2], seed=None, num_inference_steps=1) for _ in range(2))
    assert len({seed for output in (first, second) for seeds in output.seeds for seed in seeds}) == 4
    assert_same_picture(
        pipeline(sounds[1], seed=first.seeds[1], num_inference_steps=1).images[0][0], first.images[1][0]
    )


def test_what_reaches_the_unet_is_the_prompt(pipeline, sounds, given):
    output = pipeline(sounds[:2], num_inference_steps=1)
    away, towards = away_and_towards(given)
    torch.testing.assert_close(towards, pipeline.encoder.encode(sounds[:2]).prompt_embeds)
    torch.testing.assert_close(towards, output.prompts.prompt_embeds, rtol=0, atol=0)
    torch.testing.assert_close(away, pipeline.encoder.negative[: towards.shape[1]].expand_as(away), rtol=0, atol=0)
    assert output.prompts.pooled_prompt_embeds is None


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (0.25, 0.25), (1, 1), (2, 2)])
def test_strength_goes_from_the_empty_prompt_to_the_sound(pipeline, sounds, given, strength, share):
    pipeline(sounds[0], num_inference_steps=1, sound_strength=strength)
    empty, towards = away_and_towards(given)
    sound = pipeline.encoder.encode(sounds[:1]).prompt_embeds
    torch.testing.assert_close(towards, empty + share * (sound - empty))


def test_the_stored_empty_prompt_is_that_of_the_text_encoder(pipeline, sounds, given):
    for negative in ("empty", TextPrompt("")):
        pipeline(sounds[0], num_inference_steps=1, negative=negative)
    torch.testing.assert_close(given[0]["encoder_hidden_states"], given[1]["encoder_hidden_states"])


def test_a_text_as_negative(pipeline, sounds, given):
    pipeline(sounds[:2], num_inference_steps=1, negative=TextPrompt("a photograph"))
    away, _ = away_and_towards(given)
    text, _ = encode_text(pipeline.diffusion, ["a photograph"])
    torch.testing.assert_close(away, text[:, : away.shape[1]].expand_as(away))


def test_a_sound_silence_and_noise_as_negative(pipeline, sounds, given):
    quiet = Waveform(np.zeros(64_000, np.float32))
    for negative, sound in ((str(sounds[1]), sounds[1]), (sounds[1], sounds[1]), ("silence", quiet), (quiet, quiet)):
        given.clear()
        pipeline(sounds[0], num_inference_steps=1, negative=negative)
        away, _ = away_and_towards(given)
        torch.testing.assert_close(away, pipeline.encoder.encode([sound]).prompt_embeds)
    given.clear()
    for _ in range(2):
        pipeline(sounds[0], num_inference_steps=1, negative="noise")
    (one, other) = (call["encoder_hidden_states"][0] for call in given)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.allclose(one, away[0])


def test_no_negative_draws_without_guidance(pipeline, sounds, given):
    unguided = pipeline(sounds[0], num_inference_steps=1, negative="none").images[0][0]
    assert given[0]["encoder_hidden_states"].shape[0] == 1
    assert_same_picture(pipeline(sounds[0], num_inference_steps=1, guidance_scale=1).images[0][0], unguided)


def test_xl_gets_pooled_vectors(xl, sounds, given):
    output = xl(sounds[:2], num_inference_steps=1, negative=TextPrompt("rain"))
    sound, text = xl.encoder.encode(sounds[:2]), encode_text(xl.diffusion, ["rain"])
    expected = torch.cat([text[1].expand(2, -1), sound.pooled_prompt_embeds])
    torch.testing.assert_close(given[0]["added_cond_kwargs"]["text_embeds"], expected)
    torch.testing.assert_close(output.prompts.pooled_prompt_embeds, sound.pooled_prompt_embeds)
    xl(sounds[0], num_inference_steps=1, sound_strength=0)
    away, towards = given[1]["added_cond_kwargs"]["text_embeds"]
    torch.testing.assert_close(away, towards)
    torch.testing.assert_close(away, xl.encoder.pooled_negative)


def test_a_pipeline_of_diffusers_for_another_task_is_taken_as_it_is(pipeline, sounds):
    parts = {name: part for name, part in pipeline.diffusion.components.items() if name != "image_encoder"}
    image_to_image = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    redraw = AudioToImagePipeline(pipeline.encoder, image_to_image)
    given = {"image": Image.new("RGB", (16, 16), "red"), "strength": 0.5}
    steps = []
    drawn = redraw(sounds[0], seed=3, num_inference_steps=4, callback_on_step=lambda *step: steps.append(step), **given)
    prompt = drawn.prompts.prompt_embeds
    theirs = image_to_image(
        prompt_embeds=prompt,
        negative_prompt_embeds=pipeline.encoder.negative[None, : prompt.shape[1]],
        generator=torch.Generator().manual_seed(3),
        num_inference_steps=4,
        **given,
    ).images[0]
    assert_same_picture(drawn.images[0][0], theirs)
    assert steps == [(1, 2), (2, 2)]  # strength .5 leaves half of them
    with pytest.raises(InputError, match="height cannot be used: StableDiffusionImg2ImgPipeline"):
        redraw(sounds[0], height=16, width=16, **given)


def test_steps_are_reported_over_all_batches(pipeline, sounds):
    steps = []
    pipeline(sounds, num_inference_steps=2, batch_size=2, callback_on_step=lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_size(pipeline, sounds):
    assert pipeline(sounds[0], num_inference_steps=1).images[0][0].size == (16, 16)
    assert pipeline(sounds[0], num_inference_steps=1, height=24, width=32).images[0][0].size == (32, 24)


def test_defaults_are_those_of_the_diffusion_pipeline_or_given(pipeline, xl):
    assert (pipeline.num_inference_steps, pipeline.guidance_scale) == (50, 7.5)
    assert (xl.num_inference_steps, xl.guidance_scale) == (50, 5.0)
    ours = AudioToImagePipeline(pipeline.encoder, pipeline.diffusion, num_inference_steps=3, guidance_scale=0.0)
    assert (ours.num_inference_steps, ours.guidance_scale) == (3, 0.0)


def test_the_pipeline_that_was_given_is_left_as_it_was(pipeline, sounds, capsys):
    diffusion = copy(pipeline.diffusion)
    before = dict(vars(diffusion))
    ours = AudioToImagePipeline(pipeline.encoder, diffusion)
    ours(sounds[0], num_inference_steps=1, callback_on_step=lambda *_: None)
    assert vars(diffusion) == before
    assert capsys.readouterr().err == ""  # without their progress bar, which is still there for others:
    diffusion("a koala", num_inference_steps=1)
    assert "1/1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps must be at least 1; got 0"),
        ({"images_per_sound": 0}, "images_per_sound must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"sound_strength": -0.1}, "sound_strength must be at least 0; got -0.1"),
        ({"sound_strength": math.nan}, "sound_strength must be at least 0; got nan"),
        ({"guidance_scale": -1.0}, "guidance_scale must be at least 0; got -1"),
        ({"guidance_scale": math.inf}, "guidance_scale must be at least 0; got inf"),
        ({"guidance_scale": 1.1, "negative": "none"}, "guidance_scale must be at most 1 with negative none; got 1.1"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seed": 2**63}, r"seed must be from 0 to 2\*\*63 - 1; got 9223372036854775808"),
        ({"seed": [1, 2]}, r"seed must be one number, or one for each of the 1 images \(images_per_sound\); got 2"),
        ({"height": 16}, "height must be given together with width"),
        ({"height": 16, "width": 12}, "width must be a multiple of 8 pixels; got 12"),
        ({"height": 0, "width": 16}, "height must be a multiple of 8 pixels; got 0"),
        ({"negative": "nothing"}, "negative must be one of empty, silence, noise, none, a TextPrompt or a recording: "),
        ({"diffusion_arguments": {"imge": 1}}, "contains imge, which StableDiffusionPipeline does not take"),
        ({"diffusion_arguments": {"latents": 1}}, "must not contain latents, which Photism sets"),
        ({"diffusion_arguments": {"image": 1}}, "must not contain image, which Photism sets"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_done(pipeline, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match=message):
        pipeline(sounds[0], **settings)


def test_sounds_must_be_there(pipeline, sounds, monkeypatch):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match="recordings must contain at least one recording; got none"):
        pipeline([])
    with pytest.raises(InputError, match=r"missing\.wav"):
        pipeline([sounds[0], "missing.wav"])


def test_a_text_as_negative_needs_a_text_encoder(models, pipeline, sounds):
    textless = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion", text_encoder=None, tokenizer=None)
    ours = AudioToImagePipeline(pipeline.encoder, textless)
    ours(sounds[0], num_inference_steps=1)
    with pytest.raises(
        InputError, match="negative needs a text encoder, which this diffusion pipeline lacks; load it with one"
    ):
        ours(sounds[0], negative=TextPrompt("rain"))


def test_widths_must_agree(pipeline, xl):
    with pytest.raises(InputError, match=r"width 32, .* 'sd' has width 16"):
        AudioToImagePipeline(pipeline.encoder, xl.diffusion)
    with pytest.raises(InputError, match=r"width 16, .* 'xl' has width 32"):
        AudioToImagePipeline(xl.encoder, pipeline.diffusion)


def test_pooled_widths_must_agree(xl, monkeypatch):
    monkeypatch.setattr(xl.encoder, "pooled_negative", torch.zeros(15))
    with pytest.raises(InputError, match=r"pooled embeddings of width 16 .* 'xl' has width 15"):
        AudioToImagePipeline(xl.encoder, xl.diffusion)


def test_the_pipeline_must_take_prompts(pipeline):
    class Other:
        def __call__(self, image):
            pass

    with pytest.raises(InputError, match="with a UNet that takes prompt_embeds; got Other"):
        AudioToImagePipeline(pipeline.encoder, Other())


def test_both_halves_take_the_dtype(models, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", dtype=torch.bfloat16)
    assert ours.encoder.dtype == ours.diffusion.unet.dtype == ours.diffusion.vae.dtype == torch.bfloat16
    assert ours(sounds[0], num_inference_steps=1).prompts.prompt_embeds.dtype == torch.bfloat16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_both_halves_go_to_one_device_and_the_noise_is_the_same(models, pipeline, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd")
    assert ours.encoder.device.type == ours.diffusion.device.type == "cuda"
    drawn, expected = (each(sounds, seed=1, num_inference_steps=STEPS).images for each in (ours, pipeline))
    for (our,), (their,) in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(np.asarray(our, np.int16), np.asarray(their, np.int16), atol=4)
