"""Generate the frames of films and live drawings: images without a mask, of settings that hold for all of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from photism.drawing.generate import ImageGenerator, call_parameters
from photism.drawing.negative_prompt import read_negative
from photism.drawing.settings import DrawSettings, ImageSettings
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.drawing.pipeline import AudioToImagePipeline

FrameSettings = TypeVar("FrameSettings", bound=ImageSettings)


def frame_generator(pipeline: AudioToImagePipeline, settings: FrameSettings) -> tuple[ImageGenerator, FrameSettings]:
    """Prepare a generator of frames.

    Args:
        pipeline: image generation pipeline; its diffusion pipeline must not be for inpainting.
        settings: settings of the film or live drawing, decoded.

    Returns:
        The generator, and the settings that are used, with values in place of defaults that depend on the pipeline.

    Raises:
        InputError: a setting cannot be used with this pipeline.
    """
    if "mask_image" in call_parameters(pipeline.diffusion):
        name = type(pipeline.diffusion).__name__
        raise InputError(f"pipeline must not be for inpainting, since frames have no mask; got {name}")
    negative = read_negative(pipeline.negative if settings.negative is None else settings.negative)
    shared: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(ImageSettings)}
    generator = pipeline.image_generator(DrawSettings(**shared))
    used, (height, width) = generator.settings, generator.size
    return generator, replace(
        settings,
        num_inference_steps=used.num_inference_steps,
        guidance_scale=used.guidance_scale,
        negative=negative,
        sound_strength=used.sound_strength,
        strength=used.strength,
        width=width,
        height=height,
    )
