"""Conditioning images: size, files, mask, strength and ControlNets; and the safety checker."""

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionInpaintPipeline
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


def generate(pipeline, sound, **settings):
    return pipeline(sound, num_inference_steps=STEPS, **settings).images[0][0]


def max_difference(one, other):
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


@pytest.mark.parametrize(("given", "size"), [((16, 24), (16, 24)), ((31, 17), (24, 16)), ((8, 8), (8, 8))])
def test_the_size_is_that_of_the_image_to_start_from(inpaint, sounds, given, size):
    assert generate(inpaint, sounds[0], image=RED.resize(given), mask_image=WHITE.resize(given)).size == size


def test_another_size_can_be_requested(inpaint, sounds):
    assert generate(inpaint, sounds[0], image=RED, mask_image=WHITE, height=8, width=24).size == (24, 8)
    with pytest.raises(InputError, match="height must be a multiple of 8 pixels; got 0"):
        generate(inpaint, sounds[0], image=RED.resize((16, 7)), mask_image=WHITE.resize((16, 7)))


def test_black_areas_of_the_mask_are_kept(inpaint, sounds):
    """Compare with an image that went through the autoencoder: latents are kept, not pixels."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    black = Image.new("L", (16, 16), 0)
    kept = generate(inpaint, sounds[0], image=image, mask_image=black)
    for sound in sounds[:2]:
        assert max_difference(generate(inpaint, sound, image=image, mask_image=black, seed=0), kept) <= LEVELS
    assert max_difference(generate(inpaint, sounds[0], image=image, mask_image=WHITE), kept) > LEVELS


def test_an_inpainting_unet_gives_the_images_of_diffusers(models, parts, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / "sd-inpaint", device="cpu")
    theirs = StableDiffusionInpaintPipeline.from_pretrained(parts / "sd-inpaint")
    given = {"image": RED, "mask_image": WHITE, "strength": 0.9}
    output = ours(sounds[:2], seed=4, num_inference_steps=STEPS, **given)
    negative = ours.encoder.negative[None, : output.prompts.prompt_embeds.shape[1]]
    for (generated,), prompt in zip(output.images, output.prompts.prompt_embeds, strict=True):
        expected = theirs(
            prompt_embeds=prompt[None],
            negative_prompt_embeds=negative,
            generator=torch.Generator().manual_seed(4),
            num_inference_steps=STEPS,
            **given,
        ).images[0]
        assert max_difference(generated, expected) <= LEVELS


def test_images_with_a_cropped_mask_are_generated_one_by_one(inpaint, sounds):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    mask = Image.new("L", (32, 32))
    mask.paste(255, (8, 8, 16, 16))
    given = {"image": image, "mask_image": mask, "diffusion_arguments": {"padding_mask_crop": 4}}
    output = inpaint(sounds[:2], num_inference_steps=STEPS, **given)
    for (generated,), sound in zip(output.images, sounds, strict=False):
        assert max_difference(generated, generate(inpaint, sound, **given)) == 0
        assert max_difference(np.asarray(generated)[:4], np.asarray(image)[:4]) == 0  # pixels outside the crop are kept


def test_the_conditioning_scale_of_a_controlnet(control, pipeline, sounds):
    def scaled(scale):
        return generate(
            control, sounds[0], control_image=RED, diffusion_arguments={"controlnet_conditioning_scale": scale}
        )

    assert max_difference(scaled(0.0), generate(pipeline, sounds[0])) <= LEVELS
    assert max_difference(scaled(1.0), scaled(0.5)) > LEVELS
    assert max_difference(scaled(1.0), generate(control, sounds[0], control_image=RED)) == 0


@pytest.fixture(scope="module")
def controlnets(parts, tmp_path_factory):
    """Return the folders of two ControlNets for sd."""
    other = ControlNetModel.from_pretrained(parts / "controlnet-sd")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter *= 0.7
    folder = tmp_path_factory.mktemp("controlnets") / "other"
    other.save_pretrained(folder)
    return [parts / "controlnet-sd", folder]


def test_several_controlnets_are_all_used_as_in_diffusers(models, controlnets, sounds):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", controlnet=controlnets, device="cpu")
    blue = Image.new("RGB", (16, 16), "blue")
    theirs = StableDiffusionControlNetPipeline.from_pretrained(
        models / "sd/diffusion", controlnet=[ControlNetModel.from_pretrained(folder) for folder in controlnets]
    )
    given = {"controlnet_conditioning_scale": [0.9, 0.4], "num_inference_steps": STEPS}
    output = ours(sounds[:2], control_image=[RED, blue], seed=4, **given)
    for row, (image,) in enumerate(output.images):
        expected = theirs(
            image=[RED, blue],
            prompt_embeds=output.prompts.prompt_embeds[row, None],
            negative_prompt_embeds=ours.encoder.empty_prompt.prompt_embeds,
            guidance_scale=output.settings.guidance_scale,
            generator=torch.Generator().manual_seed(4),
            **given,
        )
        assert max_difference(image, expected.images[0]) <= LEVELS
    last = generate(ours, sounds[0], control_image=[blue, blue], controlnet_conditioning_scale=[0.9, 0.4], seed=4)
    assert max_difference(output.images[0][0], last) > LEVELS  # the first is used as well
    for settings, message in (
        ({"control_image": RED}, "control_image must be a list of 2, one for each ControlNet; got 1"),
        (
            {"control_image": [RED, blue], "controlnet_conditioning_scale": [1.0]},
            "controlnet_conditioning_scale must be a list of 2, one for each ControlNet; got 1",
        ),
    ):
        with pytest.raises(InputError, match=message):
            generate(ours, sounds[0], **settings)


def test_a_list_of_one_control_image_is_that_image(control, sounds):
    one, listed = (generate(control, sounds[0], control_image=image) for image in (RED, [RED]))
    assert max_difference(one, listed) == 0
    with pytest.raises(InputError, match="control_image must be one for each ControlNet; got 2"):
        generate(control, sounds[0], control_image=[RED, RED])


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
def test_an_invalid_image_is_refused_before_a_recording_is_encoded(inpaint, sounds, monkeypatch, settings, message):
    monkeypatch.setattr(AudioPromptEncoder, "encode", lambda *_, **__: pytest.fail("encoded"))
    images = {"image": RED, "mask_image": WHITE} if "strength" in settings else {}
    with pytest.raises(InputError, match=message):
        generate(inpaint, sounds[0], **images, **settings)


def test_a_strength_of_one_step(redraw, sounds):
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
def test_the_safety_checker_stays_enabled(models, parts, sounds, settings):
    given = {"image": RED} if "task" in settings else {"control_image": RED} if "controlnet" in settings else {}
    given |= {"mask_image": WHITE} if settings.get("task") == "inpainting" else {}
    settings = {name: parts / value if name == "controlnet" else value for name, value in settings.items()}
    for name, flagged in (("flagging", True), ("passing", False)):
        ours = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / name, device="cpu", **settings)
        output = ours(sounds[:2], num_inference_steps=STEPS, **given)
        assert output.nsfw_content_detected == [[flagged], [flagged]]
        for (image,) in output.images:
            assert (np.asarray(image).max() == 0) == flagged


def test_without_a_safety_checker_no_image_is_flagged(pipeline, xl, sounds):
    for ours in (pipeline, xl):
        assert ours(sounds[0], num_inference_steps=1, images_per_sound=2).nsfw_content_detected == [[False, False]]
