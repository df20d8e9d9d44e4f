"""AudioToImagePipeline compared with the diffusers pipelines that it calls."""

import inspect
import math
from copy import copy

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline, StableDiffusionSAGPipeline
from PIL import Image

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError, Waveform
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.settings import DrawSettings
from photism.prompts.text import encode_text

STEPS = 2
LEVELS = 1  # of 255: the products of another batch size round differently


@pytest.fixture
def unet_calls(monkeypatch):
    """Record the keyword arguments of each call of a UNet."""
    calls = []
    from diffusers import UNet2DConditionModel

    forward = UNet2DConditionModel.forward

    def spy(self, *arguments, **keywords):
        calls.append(keywords)
        return forward(self, *arguments, **keywords)

    monkeypatch.setattr(UNet2DConditionModel, "forward", spy)
    return calls


def negative_and_positive(unet_calls):
    return unet_calls[0]["encoder_hidden_states"].chunk(2)


def assert_same_image(one, other):
    np.testing.assert_allclose(np.asarray(one, np.int16), np.asarray(other, np.int16), atol=LEVELS)


def differ(one, other):
    return np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() > LEVELS


def test_images_are_those_of_stable_diffusion_for_the_same_prompt(pipeline, sounds):
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
        assert_same_image(our, their)


def test_an_image_does_not_depend_on_its_batch(pipeline, sounds):
    alone = pipeline(sounds[2], seed=5, num_inference_steps=STEPS).images[0][0]
    for batch_size in (1, 2, 4, 6):
        drawn = pipeline(sounds, seed=4, images_per_sound=2, num_inference_steps=STEPS, batch_size=batch_size)
        assert drawn.seeds == [[4, 5]] * 3
        assert_same_image(drawn.images[2][1], alone)
        assert differ(drawn.images[2][0], alone)
        assert differ(drawn.images[1][1], alone)


def test_seeds_can_be_listed_or_random(pipeline, sounds):
    listed = pipeline(sounds[0], seed=[9, 4], images_per_sound=2, num_inference_steps=1)
    assert listed.seeds == [[9, 4]]
    first, second = (pipeline(sounds[:2], seed=None, num_inference_steps=1) for _ in range(2))
    assert len({seed for output in (first, second) for seeds in output.seeds for seed in seeds}) == 4
    assert_same_image(pipeline(sounds[1], seed=first.seeds[1], num_inference_steps=1).images[0][0], first.images[1][0])


def test_the_unet_gets_the_prompt_and_the_negative_prompt(pipeline, sounds, unet_calls):
    output = pipeline(sounds[:2], num_inference_steps=1)
    negative, positive = negative_and_positive(unet_calls)
    torch.testing.assert_close(positive, pipeline.encoder.encode(sounds[:2]).prompt_embeds)
    torch.testing.assert_close(positive, output.prompts.prompt_embeds, rtol=0, atol=0)
    torch.testing.assert_close(
        negative, pipeline.encoder.negative[: positive.shape[1]].expand_as(negative), rtol=0, atol=0
    )
    assert output.prompts.pooled_prompt_embeds is None


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (0.25, 0.25), (1, 1), (2, 2)])
def test_sound_strength_interpolates_from_the_empty_prompt_to_the_recording(
    pipeline, sounds, unet_calls, strength, share
):
    pipeline(sounds[0], num_inference_steps=1, sound_strength=strength)
    empty, positive = negative_and_positive(unet_calls)
    sound = pipeline.encoder.encode(sounds[:1]).prompt_embeds
    torch.testing.assert_close(positive, empty + share * (sound - empty))


def test_the_stored_empty_prompt_is_that_of_the_text_encoder(pipeline, sounds, unet_calls):
    for negative in ("empty", TextPrompt("")):
        pipeline(sounds[0], num_inference_steps=1, negative=negative)
    torch.testing.assert_close(unet_calls[0]["encoder_hidden_states"], unet_calls[1]["encoder_hidden_states"])


def test_a_negative_text(pipeline, sounds, unet_calls):
    pipeline(sounds[:2], num_inference_steps=1, negative=TextPrompt("a photograph"))
    negative, _ = negative_and_positive(unet_calls)
    text, _ = encode_text(pipeline.diffusion, ["a photograph"])
    torch.testing.assert_close(negative, text[:, : negative.shape[1]].expand_as(negative))


def test_a_negative_recording_silence_and_noise(pipeline, sounds, unet_calls):
    quiet = Waveform(np.zeros(64_000, np.float32))
    for negative, sound in ((str(sounds[1]), sounds[1]), (sounds[1], sounds[1]), ("silence", quiet), (quiet, quiet)):
        unet_calls.clear()
        pipeline(sounds[0], num_inference_steps=1, negative=negative)
        negative, _ = negative_and_positive(unet_calls)
        torch.testing.assert_close(negative, pipeline.encoder.encode([sound]).prompt_embeds)
    unet_calls.clear()
    for _ in range(2):
        pipeline(sounds[0], num_inference_steps=1, negative="noise")
    (one, other) = (call["encoder_hidden_states"][0] for call in unet_calls)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.allclose(one, negative[0])


def test_without_a_negative_prompt_there_is_no_guidance(pipeline, sounds, unet_calls):
    unguided = pipeline(sounds[0], num_inference_steps=1, negative="none").images[0][0]
    assert unet_calls[0]["encoder_hidden_states"].shape[0] == 1
    assert_same_image(pipeline(sounds[0], num_inference_steps=1, guidance_scale=1).images[0][0], unguided)


def test_xl_gets_pooled_embeddings(xl, sounds, unet_calls):
    output = xl(sounds[:2], num_inference_steps=1, negative=TextPrompt("rain"))
    sound, text = xl.encoder.encode(sounds[:2]), encode_text(xl.diffusion, ["rain"])
    expected = torch.cat([text[1].expand(2, -1), sound.pooled_prompt_embeds])
    torch.testing.assert_close(unet_calls[0]["added_cond_kwargs"]["text_embeds"], expected)
    torch.testing.assert_close(output.prompts.pooled_prompt_embeds, sound.pooled_prompt_embeds)
    xl(sounds[0], num_inference_steps=1, sound_strength=0)
    negative, positive = unet_calls[1]["added_cond_kwargs"]["text_embeds"]
    torch.testing.assert_close(negative, positive)
    torch.testing.assert_close(negative, xl.encoder.pooled_negative)


def test_a_diffusers_pipeline_of_another_task_is_used_as_it_is(pipeline, sounds):
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
    assert_same_image(drawn.images[0][0], theirs)
    assert steps == [(1, 2), (2, 2)]  # strength .5 leaves half of them


def test_a_diffusers_pipeline_with_the_earlier_callback(pipeline, sounds):
    sag = StableDiffusionSAGPipeline.from_pipe(pipeline.diffusion)
    draw, steps = AudioToImagePipeline(pipeline.encoder, sag), []
    arguments = {"num_inference_steps": STEPS, "guidance_scale": 5.0}
    drawn = draw(
        sounds[0],
        seed=3,
        callback_on_step=lambda *step: steps.append(step),
        diffusion_arguments={"sag_scale": 0.5},
        **arguments,
    )
    prompt = drawn.prompts.prompt_embeds
    negative = pipeline.encoder.negative[None, : prompt.shape[1]]
    generator = torch.Generator().manual_seed(3)
    theirs = sag(prompt_embeds=prompt, negative_prompt_embeds=negative, generator=generator, sag_scale=0.5, **arguments)
    assert_same_image(drawn.images[0][0], theirs.images[0])
    assert steps == [(1, STEPS), (2, STEPS)]


def test_settings_can_be_one_object_or_keywords(pipeline, sounds):
    settings = DrawSettings(seed=7, num_inference_steps=1, guidance_scale=2.0)
    by_object = pipeline(sounds[0], settings).images[0][0]
    by_name = pipeline(sounds[0], seed=7, num_inference_steps=1, guidance_scale=2.0).images[0][0]
    np.testing.assert_array_equal(np.asarray(by_object), np.asarray(by_name))
    changed = pipeline(sounds[0], settings, seed=8)
    assert changed.seeds == [[8]]
    assert changed.settings.guidance_scale == 2.0
    for function in (pipeline, pipeline.stream):
        assert {"seed", "image", "sound_strength", "batch_size"} <= inspect.signature(function).parameters.keys()
    with pytest.raises(TypeError, match="has no argument 'sed'; it takes background, "):
        pipeline(sounds[0], sed=7)


def test_the_output_has_the_settings_that_were_used(pipeline, sounds):
    used = pipeline(sounds[0], num_inference_steps=1).settings
    assert (used.num_inference_steps, used.guidance_scale, used.negative) == (1, 7.5, "empty")
    assert (used.height, used.width, used.strength, used.sound_strength) == (16, 16, None, 1.0)
    used = pipeline(sounds[0], num_inference_steps=1, negative="none", text="rain", width=24, height=16).settings
    assert (used.guidance_scale, used.negative, used.sound_strength) == (1.0, "none", 0.5)
    assert (used.height, used.width) == (16, 24)


def test_a_recording_is_available_once_its_batch_is_done(pipeline, sounds, unet_calls):
    outputs = pipeline.stream(sounds, num_inference_steps=1, images_per_sound=2, batch_size=3, seed=3)
    assert len(unet_calls) == 0
    calls, streamed = [], []
    for output in outputs:
        calls.append(len(unet_calls))
        streamed.append(output)
    assert calls == [1, 2, 2]
    together = pipeline(sounds, num_inference_steps=1, images_per_sound=2, batch_size=3, seed=3)
    for row, output in enumerate(streamed):
        assert output.seeds == [[3, 4]]
        for one, other in zip(output.images[0], together.images[row], strict=True):
            assert_same_image(one, other)


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


def test_the_callers_pipeline_is_not_changed(pipeline, sounds, capsys):
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
        ({"guidance_scale": 1.0, "negative": "noise"}, "negative needs a guidance_scale above 1; got 1"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seed": 2**63}, r"seed must be at least 0 and below 2\*\*63; got 9223372036854775808"),
        ({"seed": [1, 2]}, "seed must be one number, or a list of as many as images_per_sound, 1; got 2"),
        ({"height": 16}, "height must be given together with width"),
        ({"height": 16, "width": 7}, "width must be at least 8 pixels; got 7"),
        ({"height": 0, "width": 16}, "height must be at least 8 pixels; got 0"),
        ({"negative": "nothing"}, "negative must be one of empty, silence, noise, none, text:WORDS or a recording: "),
        ({"diffusion_arguments": {"imge": 1}}, "contains imge, which StableDiffusionPipeline does not take"),
        ({"diffusion_arguments": {"latents": 1}}, "must not contain latents, which Photism sets"),
        ({"diffusion_arguments": {"image": 1}}, "must not contain image, which Photism sets"),
    ],
)
def test_a_wrong_setting_is_reported_before_anything_is_encoded(pipeline, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match=message):
        pipeline(sounds[0], **settings)


def test_there_must_be_recordings(pipeline, sounds, monkeypatch):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match="recordings must contain at least one recording; got none"):
        pipeline([])
    with pytest.raises(InputError, match=r"missing\.wav"):
        pipeline([sounds[0], "missing.wav"])


def test_a_negative_text_needs_a_text_encoder(models, pipeline, sounds):
    textless = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion", text_encoder=None, tokenizer=None)
    ours = AudioToImagePipeline(pipeline.encoder, textless)
    ours(sounds[0], num_inference_steps=1)
    with pytest.raises(
        InputError, match="negative needs a text encoder, which this diffusion pipeline lacks; load it with one"
    ):
        ours(sounds[0], negative=TextPrompt("rain"))


def test_a_negative_text_may_be_a_string_as_on_the_command_line(pipeline, sounds):
    drawn = [pipeline(sounds[0], num_inference_steps=2, negative=each) for each in (TextPrompt("rain"), "text:rain")]
    assert drawn[0].images == drawn[1].images
    with pytest.raises(InputError, match="negative has a weight in another syntax"):
        pipeline(sounds[0], negative="text:(rain:1.3)")


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


def test_encoder_and_diffusion_have_the_dtype(models, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", dtype=torch.bfloat16)
    assert ours.encoder.dtype == ours.diffusion.unet.dtype == ours.diffusion.vae.dtype == torch.bfloat16
    assert ours(sounds[0], num_inference_steps=1).prompts.prompt_embeds.dtype == torch.bfloat16


@pytest.mark.cuda
def test_encoder_and_diffusion_are_on_one_device_and_the_noise_is_the_same(models, pipeline, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd")
    assert ours.encoder.device.type == ours.diffusion.device.type == "cuda"
    drawn, expected = (each(sounds, seed=1, num_inference_steps=STEPS).images for each in (ours, pipeline))
    for (our,), (their,) in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(np.asarray(our, np.int16), np.asarray(their, np.int16), atol=4)
