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


@pytest.mark.parametrize(
    ("given", "settings", "size"),
    [
        ((16, 16), {}, (16, 16)),
        ((8, 16), {}, (8, 16)),  # smaller than the model's 16×16 pixels
        ((32, 32), {}, (16, 16)),
        ((48, 12), {}, (32, 8)),  # of the area of 16×16
        ((48, 12), {"keep_image_size": True}, (48, 16)),
        ((15, 9), {}, (16, 8)),
        ((9, 9), {"height": 17, "width": 26}, (24, 16)),
        ((4, 4), {"height": 8, "width": 8}, (8, 8)),
    ],
)
@pytest.mark.parametrize("task", ["redraw", "inpaint", "control"])
def test_the_size_is_given_or_that_of_the_image_up_to_the_models(request, sounds, task, given, settings, size):
    pipeline, image = request.getfixturevalue(task), RED.resize(given)
    images = {
        "redraw": {"image": image},
        "inpaint": {"image": image, "mask_image": WHITE.resize(given)},
        "control": {"control_image": image},
    }[task]
    output = pipeline(sounds[0], num_inference_steps=2, **images, **settings)
    assert output.images[0][0].size == (output.settings.width, output.settings.height) == size


def test_a_large_image_is_scaled_with_the_filter_of_diffusers(redraw, control, sounds):
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    small = large.resize((24, 16), Image.Resampling.LANCZOS)
    for pipeline, name in ((redraw, "image"), (control, "control_image")):
        one = generate(pipeline, sounds[0], **{name: large}, height=16, width=24)
        assert max_difference(one, generate(pipeline, sounds[0], **{name: small}, keep_image_size=True)) == 0


def noise(width, height):
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))


def left_black(width, height):
    """Return a mask whose left half is kept."""
    mask = Image.new("L", (width, height), 255)
    mask.paste(0, (0, 0, width // 2, height))
    return mask


@pytest.mark.parametrize("size", [(16, 16), (40, 24)])
def test_black_areas_of_the_mask_are_kept_to_the_last_bit(inpaint, sounds, size):
    image, mask = noise(*size), left_black(*size)
    output = inpaint(sounds[:2], image=image, mask_image=mask, images_per_sound=2, num_inference_steps=STEPS)
    used = output.settings.width, output.settings.height
    given = np.asarray(image.resize(used, Image.Resampling.LANCZOS))
    for images in output.images:
        for generated in images:
            levels = np.asarray(generated)
            assert generated.size == used
            np.testing.assert_array_equal(levels[:, : used[0] // 2], given[:, : used[0] // 2])
            assert max_difference(levels[:, used[0] // 2 :], given[:, used[0] // 2 :]) > LEVELS


def test_a_mask_of_16_bits_keeps_what_is_nearly_black(inpaint, sounds):
    image, mask = noise(16, 16), np.full((16, 16), 600, np.uint16)
    mask[:, 8:] = 65_535
    generated = generate(inpaint, sounds[0], image=image, mask_image=mask)
    assert max_difference(np.asarray(generated)[:, :8], np.asarray(image)[:, :8]) == 0
    assert max_difference(generated, generate(inpaint, sounds[0], image=image, mask_image=left_black(16, 16))) == 0


def test_the_generated_image_fades_in_over_the_seam(inpaint, sounds):
    given = {"image": noise(16, 16), "mask_image": left_black(16, 16)}
    hard, soft = (np.asarray(generate(inpaint, sounds[0], seam=seam, **given), float) for seam in (0, 3))
    original = np.asarray(given["image"], float)
    np.testing.assert_array_equal(soft[:, :8], original[:, :8])
    np.testing.assert_array_equal(soft[:, 11:], hard[:, 11:])
    weights = np.array([1, 2, 3])[None, :, None] / 4
    np.testing.assert_allclose(soft[:, 8:11], original[:, 8:11] + weights * (hard - original)[:, 8:11], atol=1)


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
    assert (output.settings.width, output.settings.height) == (16, 16)  # of the crop
    for (generated,), sound in zip(output.images, sounds, strict=False):
        assert max_difference(generated, generate(inpaint, sound, **given)) == 0
        assert max_difference(Image.composite(image, generated, mask), image) == 0
    with pytest.raises(InputError, match="padding_mask_crop needs a mask with a white area"):
        generate(inpaint, sounds[0], **{**given, "mask_image": Image.new("L", (32, 32))})


def test_the_conditioning_scale_of_a_controlnet(control, pipeline, sounds):
    def scaled(scale):
        return generate(
            control, sounds[0], control_image=RED, diffusion_arguments={"controlnet_conditioning_scale": scale}
        )

    assert max_difference(scaled(0.0), generate(pipeline, sounds[0])) <= LEVELS
    assert max_difference(scaled(1.0), scaled(0.5)) > LEVELS
    assert max_difference(scaled(1.0), generate(control, sounds[0], control_image=RED)) == 0
    twice = {"controlnet_conditioning_scale": 0.5, "diffusion_arguments": {"controlnet_conditioning_scale": 1.0}}
    with pytest.raises(InputError, match="must not contain controlnet_conditioning_scale, which is given already"):
        generate(control, sounds[0], control_image=RED, **twice)


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
        (
            {"image": RED.resize((16, 7)), "mask_image": WHITE.resize((16, 7))},
            "image must have at least 8×8 pixels; it has 16×7: give a larger one, or a height and width",
        ),
        ({"seam": 2}, "seam must be given together with mask_image"),
        (
            {"background": "blanc"},
            r"background must be a colour, such as white, #ff8000 or rgb\(255,128,0\); got blanc",
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
