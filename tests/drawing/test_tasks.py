"""Every task of SD 1.x, SD 2.x and SD XL, compared with a direct call of the diffusers pipeline for it."""

import inspect
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from photism import AudioToImagePipeline, InputError

STEPS = 4
LEVELS = 1  # of 255: the products of another batch size round differently
SEEDS = [3, 8]
SIZE = (24, 16)  # width and height of the pictures given, other than the UNet's own

# Class of diffusers, settings to load it, and arguments of a call.
TASKS = {
    "text": ("Pipeline", {}, set()),
    "image": ("Img2ImgPipeline", {"task": "image-to-image"}, {"image", "strength"}),
    "inpaint": ("InpaintPipeline", {"task": "inpainting"}, {"image", "mask_image", "strength"}),
    "control": ("ControlNetPipeline", {}, {"control_image"}),
    "control image": (
        "ControlNetImg2ImgPipeline",
        {"task": "image-to-image"},
        {"image", "strength", "control_image"},
    ),
    "control inpaint": (
        "ControlNetInpaintPipeline",
        {"task": "inpainting"},
        {"image", "mask_image", "strength", "control_image"},
    ),
}
CASES = [(name, task) for name in ("sd", "sd2", "xl") for task in TASKS if name != "sd2" or "control" not in task]


def noise_picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def half_white() -> Image.Image:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).rectangle((0, 0, SIZE[0] // 2 - 1, SIZE[1]), fill=255)
    return mask


PICTURES = {"image": noise_picture(1), "mask_image": half_white(), "control_image": noise_picture(2), "strength": 0.6}


@dataclass
class Case:
    ours: AudioToImagePipeline
    theirs: Any
    given: dict[str, Any]

    def draw(self, sounds: Any, **settings: Any) -> Any:
        return self.ours(sounds, num_inference_steps=STEPS, keep_image_size=True, **{**self.given, **settings})

    def call_diffusers(self, prompts: Any, row: int, seed: int, guidance_scale: float) -> Image.Image:
        given = dict(self.given)
        takes = inspect.signature(self.theirs.__call__).parameters
        if "image" in given and "height" in takes:
            given |= {"width": SIZE[0], "height": SIZE[1]}
        if "control_image" in given and "control_image" not in takes:
            given["image"] = given.pop("control_image")
        space = self.ours.encoder.prompt_space
        length = prompts.prompt_embeds.shape[1]
        embeds = {
            "prompt_embeds": prompts.prompt_embeds[row, None],
            "negative_prompt_embeds": space.negative[None, :length],
        }
        if prompts.pooled_prompt_embeds is not None:
            embeds["pooled_prompt_embeds"] = prompts.pooled_prompt_embeds[row, None]
            embeds["negative_pooled_prompt_embeds"] = space.pooled_negative[None]
        image = self.theirs(
            **embeds,
            **given,
            num_inference_steps=STEPS,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        mask = self.given.get("mask_image")
        return image if mask is None else Image.composite(image, self.given["image"], mask)  # black areas are kept


@pytest.fixture(scope="module", params=CASES, ids=[f"{name} {task}" for name, task in CASES])
def case(models, parts, request):
    name, task = request.param
    class_name, settings, takes = TASKS[task]
    xl = name == "xl"
    model = models / ("xl" if xl else "sd")
    diffusion = parts / name if name == "sd2" else model / "diffusion"
    controlnet = parts / f"controlnet-{name}" if "control" in task else None
    ours = AudioToImagePipeline.from_pretrained(
        model, diffusion=diffusion, controlnet=controlnet, device="cpu", **settings
    )
    family = "StableDiffusionXL" if xl else "StableDiffusion"
    steered = {"controlnet": diffusers.ControlNetModel.from_pretrained(controlnet)} if controlnet else {}
    theirs = getattr(diffusers, family + class_name).from_pretrained(diffusion, **steered)
    theirs.set_progress_bar_config(disable=True)
    return Case(ours, theirs, {argument: PICTURES[argument] for argument in takes})


def levels_apart(one: Any, other: Any) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


def test_the_diffusers_pipeline_is_the_one_for_the_task(case):
    assert type(case.ours.diffusion) is type(case.theirs)


@pytest.mark.parametrize("guidance_scale", [5.0, 1.0])
def test_images_in_batches_are_those_of_diffusers_one_by_one(case, sounds, guidance_scale):
    drawn = case.draw(sounds[:2], seed=SEEDS, images_per_sound=2, batch_size=3, guidance_scale=guidance_scale)
    size = SIZE if case.given else (16, 16)
    for row, pictures in enumerate(drawn.images):
        for picture, seed in zip(pictures, SEEDS, strict=True):
            assert picture.size == size
            assert levels_apart(picture, case.call_diffusers(drawn.prompts, row, seed, guidance_scale)) <= LEVELS
        assert levels_apart(*pictures) > LEVELS


def test_without_a_negative_prompt_there_is_no_guidance(case, sounds):
    (without,), (scaled,) = (
        case.draw(sounds[0], **settings).images for settings in ({"negative": "none"}, {"guidance_scale": 1.0})
    )
    assert levels_apart(without[0], scaled[0]) == 0


def test_each_conditioning_image_has_an_effect(case, sounds):
    drawn = case.draw(sounds[0]).images[0][0]
    for name in case.given.keys() & {"image", "control_image"}:
        other = case.draw(sounds[0], **{name: noise_picture(9)}).images[0][0]
        assert levels_apart(drawn, other) > LEVELS


def test_a_missing_or_unusable_image_is_reported(case, sounds, monkeypatch):
    monkeypatch.setattr(type(case.ours.encoder), "encode", lambda *_, **__: pytest.fail("encoded"))
    pipeline = type(case.theirs).__name__
    for name in case.given.keys() - {"strength"}:
        with pytest.raises(
            InputError, match=f"^({name} is missing: {pipeline} needs one|.* must be given together with {name})$"
        ):
            case.draw(sounds[0], **{name: None})
    for name in {"image", "mask_image", "control_image"} - case.given.keys():
        pictures = {"image": PICTURES["image"], name: PICTURES[name]}
        task = "inpainting" if name == "mask_image" else "image-to-image"
        remedy = f"(task='{task}', or draw with its for_task\\('{task}'\\)|a controlnet)$"
        with pytest.raises(InputError, match=f"cannot be used: {pipeline} takes none; load it with {remedy}"):
            case.draw(sounds[0], **pictures)
    if "strength" not in case.given:
        with pytest.raises(
            InputError,
            match=f"strength (cannot be used: {pipeline} starts from noise|must be given together with image)",
        ):
            case.draw(sounds[0], strength=0.5)


@pytest.mark.parametrize(("model", "is_controlled"), [("sd", False), ("sd", True), ("xl", False)])
def test_a_pipeline_of_another_task_shares_the_models_and_draws_the_same(models, parts, sounds, model, is_controlled):
    given = {"controlnet": parts / f"controlnet-{model}"} if is_controlled else {}
    pipeline = AudioToImagePipeline.from_pretrained(models / model, device="cpu", **given)
    for task in ("image-to-image", "inpainting"):
        loaded = AudioToImagePipeline.from_pretrained(models / model, device="cpu", task=task, **given)
        shared = pipeline.for_task(task)
        assert type(shared.diffusion) is type(loaded.diffusion)
        assert shared.diffusion.unet is pipeline.diffusion.unet
        names = ["image", "mask_image"] if task == "inpainting" else ["image"]
        pictures = {name: PICTURES[name] for name in [*names, *(["control_image"] if is_controlled else [])]}
        expected, drawn = (
            each(sounds[0], num_inference_steps=STEPS, strength=0.6, **pictures).images[0][0]
            for each in (loaded, shared)
        )
        assert levels_apart(expected, drawn) == 0
        assert shared.for_task(task) is shared
    assert pipeline.for_task(None) is pipeline
