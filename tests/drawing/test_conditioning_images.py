"""The pictures that a drawing is given, and what comes back: sizes, files, masks, strengths, and the safety checker."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from PIL import Image

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError

STEPS = 4
LEVELS = 1  # of 255
RED = Image.new("RGB", (16, 16), "red")
WHITE = Image.new("L", (16, 16), 255)


@pytest.fixture(scope="module")
def redraw(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", task="image-to-image", device="cpu")


@pytest.fixture(scope="module")
def inpaint(models):
    return AudioToImagePipeline.from_pretrained(models / "sd", task="inpainting", device="cpu")


@pytest.fixture(scope="module")
def control(models, parts):
    return AudioToImagePipeline.from_pretrained(models / "sd", controlnet=parts / "controlnet-sd", device="cpu")


def drawn(pipeline, sound, **settings):
    return pipeline(sound, num_inference_steps=STEPS, **settings).images[0][0]


def levels_apart(one, other):
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


@pytest.mark.parametrize(("given", "size"), [((16, 24), (16, 24)), ((31, 17), (24, 16)), ((8, 8), (8, 8))])
def test_what_is_drawn_is_as_large_as_what_it_starts_from(inpaint, sounds, given, size):
    assert drawn(inpaint, sounds[0], image=RED.resize(given), mask_image=WHITE.resize(given)).size == size


def test_another_size_may_be_asked_for(inpaint, sounds):
    assert drawn(inpaint, sounds[0], image=RED, mask_image=WHITE, height=8, width=24).size == (24, 8)
    with pytest.raises(InputError, match="height must be a multiple of 8 pixels; got 0"):
        drawn(inpaint, sounds[0], image=RED.resize((16, 7)), mask_image=WHITE.resize((16, 7)))


def test_files_are_read_as_they_were_held_and_without_transparency(redraw, sounds, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "image.png")
    sideways = picture.convert("RGB").rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees clockwise
    sideways.save(tmp_path / "held.png", exif=exif)
    expected = drawn(redraw, sounds[0], image=picture.convert("RGB"))
    for path in (tmp_path / "image.png", str(tmp_path / "held.png")):
        assert levels_apart(drawn(redraw, sounds[0], image=path), expected) == 0


def test_what_the_mask_leaves_black_stays(inpaint, sounds):
    """Up to what the autoencoder makes of it, since latents are kept, not pixels."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    kept = drawn(inpaint, sounds[0], image=image, mask_image=Image.new("L", (16, 16), 0))
    for sound, seed in ((sounds[1], 0), (sounds[0], 0)):
        assert (
            levels_apart(drawn(inpaint, sound, image=image, mask_image=WHITE.point(lambda _: 0), seed=seed), kept) <= 1
        )
    assert levels_apart(drawn(inpaint, sounds[0], image=image, mask_image=WHITE), kept) > LEVELS


def test_a_unet_for_inpainting(models, parts, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / "sd-inpaint", device="cpu")
    theirs = StableDiffusionInpaintPipeline.from_pretrained(parts / "sd-inpaint")
    given = {"image": RED, "mask_image": WHITE, "strength": 0.9}
    output = ours(sounds[:2], seed=4, num_inference_steps=STEPS, **given)
    negative = ours.encoder.negative[None, : output.prompts.prompt_embeds.shape[1]]
    for (picture,), prompt in zip(output.images, output.prompts.prompt_embeds, strict=True):
        expected = theirs(
            prompt_embeds=prompt[None],
            negative_prompt_embeds=negative,
            generator=torch.Generator().manual_seed(4),
            num_inference_steps=STEPS,
            **given,
        ).images[0]
        assert levels_apart(picture, expected) <= LEVELS


def test_a_cropped_mask_is_drawn_one_by_one(inpaint, sounds):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    mask = Image.new("L", (32, 32))
    mask.paste(255, (8, 8, 16, 16))
    given = {"image": image, "mask_image": mask, "diffusion_arguments": {"padding_mask_crop": 4}}
    output = inpaint(sounds[:2], num_inference_steps=STEPS, **given)
    for (picture,), sound in zip(output.images, sounds, strict=False):
        assert levels_apart(picture, drawn(inpaint, sound, **given)) == 0
        assert levels_apart(np.asarray(picture)[:4], np.asarray(image)[:4]) == 0  # pixels outside the crop are kept


def test_how_much_a_controlnet_counts(control, pipeline, sounds):
    def scaled(scale):
        return drawn(
            control, sounds[0], control_image=RED, diffusion_arguments={"controlnet_conditioning_scale": scale}
        )

    assert levels_apart(scaled(0.0), drawn(pipeline, sounds[0])) <= LEVELS
    assert levels_apart(scaled(1.0), scaled(0.5)) > LEVELS
    assert levels_apart(scaled(1.0), drawn(control, sounds[0], control_image=RED)) == 0


def test_several_controlnets_have_a_picture_each(control, pipeline, sounds):
    from diffusers import StableDiffusionControlNetPipeline

    parts = {**control.diffusion.components, "controlnet": [control.diffusion.controlnet] * 2}
    both = AudioToImagePipeline(
        control.encoder, StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
    )
    blue = Image.new("RGB", (16, 16), "blue")
    one, other = (drawn(both, sounds[0], control_image=pictures) for pictures in ([RED, blue], [blue, blue]))
    assert levels_apart(one, other) > LEVELS
    with pytest.raises(InputError, match="control_image must be a list of 2 images, one for each ControlNet; got 1"):
        drawn(both, sounds[0], control_image=RED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": "missing.png"}, r"image missing\.png cannot be read: No such file or directory"),
        (
            {"image": __file__},
            r"image must be an image or the file of one; .*test_conditioning_images\.py is not",
        ),
        ({"mask_image": WHITE}, "mask_image must be given together with image"),
        (
            {"image": RED, "mask_image": WHITE.resize((16, 8))},
            "mask_image must have the size of image, 16×16 pixels; it has 16×8",
        ),
        ({"image": RED}, "mask_image is missing: StableDiffusionInpaintPipeline needs one"),
        ({"strength": 0.0}, "strength must be above 0 and at most 1; got 0"),
        ({"strength": 1.1}, r"strength must be above 0 and at most 1; got 1\.1"),
        ({"strength": float("nan")}, "strength must be above 0 and at most 1; got nan"),
        ({"strength": 0.24}, r"strength 0\.24 leaves none of 4 num_inference_steps; raise one of them"),
    ],
)
def test_a_wrong_picture_is_told_before_anything_is_done(inpaint, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    pictures = {"image": RED, "mask_image": WHITE} if "strength" in settings else {}
    with pytest.raises(InputError, match=message):
        drawn(inpaint, sounds[0], **pictures, **settings)


def test_a_strength_that_leaves_one_step(redraw, sounds):
    steps = []
    redraw(
        sounds[0],
        image=RED,
        strength=0.25,
        num_inference_steps=STEPS,
        callback_on_step=lambda *step: steps.append(step),
    )
    assert steps == [(1, 1)]


@pytest.mark.parametrize(
    "settings", [{}, {"task": "image-to-image"}, {"task": "inpainting"}, {"controlnet": "controlnet-sd"}]
)
def test_the_safety_checker_stays_on(models, parts, sounds, settings):
    given = {"image": RED} if "task" in settings else {"control_image": RED} if "controlnet" in settings else {}
    given |= {"mask_image": WHITE} if settings.get("task") == "inpainting" else {}
    settings = {name: parts / value if name == "controlnet" else value for name, value in settings.items()}
    for name, flagged in (("flagging", True), ("passing", False)):
        ours = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / name, device="cpu", **settings)
        output = ours(sounds[:2], num_inference_steps=STEPS, **given)
        assert output.nsfw_content_detected == [[flagged], [flagged]]
        for (picture,) in output.images:
            assert (np.asarray(picture).max() == 0) == flagged


def test_without_a_safety_checker_nothing_is_flagged(pipeline, xl, sounds):
    for ours in (pipeline, xl):
        assert ours(sounds[0], num_inference_steps=1, images_per_sound=2).nsfw_content_detected == [[False, False]]
