"""Generate images from prompts: the checked arguments of a diffusers pipeline, and its one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from photism.cancellation import check_cancelled
from photism.deferred_imports.context import deferred_imports
from photism.drawing.concurrent_calls import copy_for_call, exclusive_models
from photism.drawing.conditioning_images import ConditioningImages, read_conditioning_images
from photism.drawing.diffusion_arguments import Parameters, check_diffusion_arguments
from photism.drawing.faster_layers import use_faster_layers
from photism.drawing.image_size import choose_size
from photism.drawing.initial_noise import draw_added_noise, replace_added_noise
from photism.drawing.inpainting import allow_latents, seam_weights
from photism.drawing.previews import Preview, PreviewCallback, Previewer, count_timesteps, with_previews
from photism.drawing.settings import DrawSettings
from photism.drawing.style_images import EMBEDS, check_style, encode_style
from photism.drawing.vae_dtype import keep_vae_dtype
from photism.errors import InputError
from photism.finite import check_finite
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.diffusion.lora_weights import LoraWeights
from photism.prompts.diffusion.sampling_defaults import has_embedded_guidance
from photism.prompts.mixing import extend
from photism.schedulers import check_steps
from photism.settings import SettingError

StepCallback: TypeAlias = "Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]]"
"""A `callback_on_step_end` of diffusers."""


class GeneratedImage(NamedTuple):
    """An image, and whether the safety checker, if there is one, found it unsafe and blacked it out."""

    image: Image.Image
    is_flagged: bool


@dataclass(frozen=True, eq=False)
class ImageGenerator:
    """Generates images from prompts with checked settings; `AudioToImagePipeline.image_generator` makes it.

    Attributes:
        diffusion: the diffusers pipeline, which is used and never changed.
        settings: the settings that are used: defaults are replaced by their values.
        negative_prompt: one row that guidance leads away from; None for images without guidance.
        empty_prompt: prompt of the empty text, which shorter prompts are extended with.
        conditioning: the images that every generation starts from or follows.
        size: height and width in pixels, at which images are generated.
        loras: weights of LoRAs that differ from those that they were loaded with.
        weights: how much of the generated image replaces the one to start from at each pixel, as greyscale; None
            without a mask.
        arguments: further ones of the diffusers pipeline.
    """

    diffusion: Any
    settings: DrawSettings
    negative_prompt: AudioPrompt | None
    empty_prompt: AudioPrompt
    conditioning: ConditioningImages
    size: tuple[int, int]
    loras: LoraWeights
    weights: Image.Image | None
    arguments: Mapping[str, Any]

    def __call__(
        self,
        prompts: AudioPrompt,
        seeds: Sequence[int],
        *,
        noise: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
        callback_on_preview: PreviewCallback | None = None,
    ) -> list[GeneratedImage]:
        """Generate a batch of images.

        Args:
            prompts: B rows, as the encoder makes them.
            seeds: B seeds of the noise of each image: of the initial noise, and of the noise that the steps of some
                schedulers add.
            noise: (B, *latent_shape) standard normal noise, in place of the initial noise of the seeds.
            callback_on_step_end: of the diffusers pipeline.
            callback_on_preview: takes the images as the model predicts them, every `preview_steps` of the settings.

        Raises:
            NotFiniteError: a decoded image is not finite; diffusers would make it black.
        """
        diffusion = copy_for_call(self.diffusion)
        _check_decoded(diffusion)
        if noise is not None and self.conditioning.image is not None:
            replace_added_noise(diffusion, noise)
            noise = None
        check_cancelled()
        callback, every = callback_on_step_end, self.settings.preview_steps
        if callback_on_preview is not None and every is not None:
            show = partial(self._show_preview, callback_on_preview)
            callback = with_previews(callback, Previewer(diffusion, every, show))
        callback = _cancellable(callback, self.loras)
        with self.loras.applied():
            output = self._call(diffusion, prompts, seeds, latents=noise, callback_on_step_end=callback)
        # SD XL has no safety checker.
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(seeds)
        return [
            GeneratedImage(image if is_flagged else self._keep_black(image), is_flagged)
            for image, is_flagged in zip(output.images, flags, strict=True)
        ]

    def noise(self, seed: int, prompt: AudioPrompt) -> Tensor:
        """Return the initial noise (1, *latent_shape) of the image of a seed.

        Args:
            seed: the seed.
            prompt: any prompt of one row, on which the noise does not depend.
        """
        if self.conditioning.image is not None:
            diffusion = copy_for_call(self.diffusion)
            return draw_added_noise(diffusion, lambda: self._call(diffusion, prompt, [seed]))
        shape, generator = (1, *self.latent_shape), torch.Generator("cpu").manual_seed(seed)
        return torch.randn(shape, generator=generator, dtype=prompt.prompt_embeds.dtype)

    def _call(
        self,
        diffusion: Any,
        prompts: AudioPrompt,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
    ) -> Any:
        """Call a copy of the diffusers pipeline with all its arguments."""
        count = len(seeds)
        negative = self.negative_prompt
        if negative is not None:  # a text in chunks is longer than other prompts
            prompts = extend(prompts, self.empty_prompt, negative.prompt_embeds.shape[1])
            negative = extend(negative, self.empty_prompt, prompts.prompt_embeds.shape[1])
        optional = {
            "prompt_embeds": prompts.prompt_embeds,
            "pooled_prompt_embeds": prompts.pooled_prompt_embeds,
            "latents": latents,
            **_callback_arguments(callback_on_step_end, diffusion),
        }
        if negative is not None:
            pooled = negative.pooled_prompt_embeds
            optional["negative_prompt_embeds"] = negative.prompt_embeds.expand(count, -1, -1)
            optional["negative_pooled_prompt_embeds"] = None if pooled is None else pooled.expand(count, -1)
        # A generator for each image, on the CPU: its noise is the same in any batch and on any device.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        with deferred_imports, exclusive_models(diffusion):  # diffusers imports PEFT to look for parts of it
            use_faster_layers(diffusion)
            keep_vae_dtype(diffusion)
            if self.conditioning.mask_image is not None:
                allow_latents(diffusion)
            return diffusion(
                **{name: value for name, value in optional.items() if value is not None},
                **self.conditioning.arguments(count, control_name=control_name(call_parameters(self.diffusion))),
                **self.arguments,
                num_inference_steps=self.settings.num_inference_steps,
                guidance_scale=self.settings.guidance_scale,
                generator=generators,
            )

    @property
    def max_batch_size(self) -> int:
        """Number of images that can be generated at once."""
        return 1 if "padding_mask_crop" in self.arguments else self.settings.batch_size  # which takes no list of images

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents of an image."""
        height, width = (side // self.diffusion.vae_scale_factor for side in self.size)
        return self.diffusion.vae.config.latent_channels, height, width

    def _show_preview(self, callback: PreviewCallback, preview: Preview) -> None:
        """Call a function with a preview, whose images keep what the mask keeps."""
        given, weights = self.conditioning.image, self.weights
        if given is not None and weights is not None:
            size = preview.images[0].size
            kept, weights = given.resize(size), weights.resize(size)
            preview = replace(preview, images=[Image.composite(each, kept, weights) for each in preview.images])
        callback(preview)

    def _keep_black(self, image: Image.Image) -> Image.Image:
        """Put the pixels that the mask keeps back into an image: the VAE does not reproduce them exactly."""
        given = self.conditioning.image
        return image if given is None or self.weights is None else Image.composite(image, given, self.weights)


def prepare_generator(
    diffusion: Any,
    settings: DrawSettings,
    encode_negative: Callable[[], AudioPrompt | None],
    empty_prompt: AudioPrompt,
    diffusion_arguments: Mapping[str, Any],
    *,
    loras: LoraWeights,
) -> ImageGenerator:
    """Check settings against what a diffusers pipeline takes, and replace defaults by their values.

    Args:
        diffusion: a diffusers pipeline.
        settings: with the number of steps, the guidance scale and the negative prompt that are used.
        encode_negative: encodes the negative prompt, once all is checked.
        empty_prompt: prompt of the empty text.
        diffusion_arguments: further arguments of the diffusers pipeline.
        loras: weights of its LoRAs that differ from those that they were loaded with.

    Raises:
        InputError: a setting cannot be used with this pipeline, or one that it needs is missing.
    """
    parameters = call_parameters(diffusion)
    conditioning = read_conditioning_images(
        settings.image, settings.mask_image, settings.control_image, background=settings.background
    )
    _check_conditioning(conditioning, diffusion, parameters)
    settings, size = _resolve(settings, conditioning, diffusion, parameters)
    is_guided = (settings.guidance_scale or 0) > 1 and not has_embedded_guidance(diffusion)
    check_diffusion_arguments(diffusion_arguments, diffusion, parameters, is_guided=is_guided)
    check_style(settings.style, diffusion, diffusion_arguments)
    steps = settings.num_inference_steps or parameters["num_inference_steps"].default
    check_steps(diffusion.scheduler, steps, strength=settings.strength)
    crops = diffusion_arguments.get("padding_mask_crop") is not None
    conditioning = _resized(_per_controlnet(conditioning, diffusion), size, crops=crops)
    own_arguments = _call_arguments(settings, diffusion, diffusion_arguments, is_guided=is_guided)
    return ImageGenerator(
        diffusion=diffusion,
        settings=settings,
        negative_prompt=encode_negative() if is_guided else None,
        empty_prompt=empty_prompt,
        conditioning=conditioning,
        size=size,
        loras=loras,
        weights=None if conditioning.mask_image is None else seam_weights(conditioning.mask_image, settings.seam),
        arguments=own_arguments | dict(diffusion_arguments),
    )


def _resolve(
    settings: DrawSettings, conditioning: ConditioningImages, diffusion: Any, parameters: Parameters
) -> tuple[DrawSettings, tuple[int, int]]:
    """Replace the defaults of strength and size by their values, and return the height and width as well.

    Raises:
        InputError: the pipeline starts from noise and has no strength, or an image cannot have the size.
    """
    strength = settings.strength
    if "strength" in parameters:
        strength = parameters["strength"].default if strength is None else strength
    elif strength is not None:
        raise SettingError("strength", f"cannot be used: {_name(diffusion)} starts from noise")
    height, width = size = choose_size(
        diffusion,
        conditioning,
        height=settings.height,
        width=settings.width,
        keep_image_size=settings.keep_image_size,
    )
    return replace(settings, strength=strength, height=height, width=width), size


def _per_controlnet(conditioning: ConditioningImages, diffusion: Any) -> ConditioningImages:
    """Give each ControlNet its image, if there are ControlNets."""
    if conditioning.control_image is None:
        return conditioning
    return replace(conditioning, control_image=per_controlnet("control_image", conditioning.control_image, diffusion))


def _call_arguments(
    settings: DrawSettings, diffusion: Any, diffusion_arguments: Mapping[str, Any], *, is_guided: bool
) -> dict[str, Any]:
    """Return the arguments of a diffusers pipeline's call that are the same for all images.

    Raises:
        InputError: there are other scales than ControlNets, or they are among the further arguments too.
    """
    found: dict[str, Any] = {}
    if settings.strength is not None:
        found["strength"] = settings.strength
    if "height" in call_parameters(diffusion):
        found |= {"height": settings.height, "width": settings.width}
    scale = settings.controlnet_conditioning_scale
    if scale is not None:
        if "controlnet_conditioning_scale" in diffusion_arguments:
            problem = "diffusion_arguments must not contain controlnet_conditioning_scale, which is given already"
            raise InputError(problem)
        is_listed = isinstance(scale, list | tuple)
        found["controlnet_conditioning_scale"] = (
            per_controlnet("controlnet_conditioning_scale", scale, diffusion) if is_listed else scale
        )
    if settings.style is not None:
        found[EMBEDS] = encode_style(settings.style, diffusion, is_guided=is_guided, background=settings.background)
    return found


def call_parameters(diffusion: Any) -> Parameters:
    """Return the parameters of a diffusers pipeline's call.

    Raises:
        InputError: it does not take prompt embeddings.
    """
    parameters = inspect.signature(diffusion.__call__).parameters
    unet = getattr(diffusion, "unet", None)
    # Pipelines of latent consistency models, which have no guidance of their own, take no negative prompt.
    needed = {"prompt_embeds"} | (
        set() if unet is None or has_embedded_guidance(diffusion) else {"negative_prompt_embeds"}
    )
    if unet is None or not needed <= parameters.keys():
        raise InputError(
            f"diffusion must be a diffusers pipeline with a UNet that takes prompt_embeds; got {_name(diffusion)}"
        )
    return parameters


def _callback_arguments(callback: StepCallback | None, diffusion: Any) -> dict[str, Any]:
    """Return the argument by which a diffusers pipeline takes a callback, if it takes one.

    Older pipelines, such as those of T2I-Adapter and self-attention guidance, have `callback` instead, which cannot
    change the latents.
    """
    parameters = call_parameters(diffusion)
    if callback is None or "callback_on_step_end" in parameters:
        return {"callback_on_step_end": callback}
    if "callback" not in parameters:
        return {}

    def call(step: int, timestep: Tensor, latents: Tensor) -> None:
        callback(diffusion, step, timestep, {"latents": latents})

    return {"callback": call}


def control_name(parameters: Parameters) -> str:
    """Return what a pipeline calls its ControlNet's image: `image`, unless it also starts from an image."""
    return "control_image" if "control_image" in parameters else "image"


def per_controlnet(name: str, values: Any, diffusion: Any) -> Any:
    """Return a list with a value for each of several ControlNets, and the value itself for a single one.

    Args:
        name: setting that the values come from.
        values: a list, or a single value.
        diffusion: a pipeline with a ControlNet.

    Raises:
        SettingError: there are more or fewer values than ControlNets.
    """
    listed = list(values) if isinstance(values, list | tuple) else [values]
    nets = getattr(diffusion.controlnet, "nets", None)
    count = 1 if nets is None else len(nets)
    if len(listed) != count:
        wanted = "one" if count == 1 else f"a list of {count}, one"
        raise SettingError(name, f"must be {wanted} for each ControlNet; got {len(listed)}")
    return listed[0] if nets is None else listed


def resolve_guidance_scale(guidance_scale: float | None, *, default: float, has_negative: bool) -> float:
    """Return the guidance scale that is used: 1 without a negative prompt.

    Args:
        guidance_scale: as it was given.
        default: the pipeline's.
        has_negative: whether there is a negative prompt.

    Raises:
        SettingError: it is above 1 without a negative prompt.
    """
    if has_negative:
        return default if guidance_scale is None else guidance_scale
    if guidance_scale is not None and guidance_scale > 1:
        problem = f"must be at most 1 with {{}} none; got {guidance_scale:g}"
        raise SettingError("guidance_scale", problem, "negative", values={"maximum": 1})
    return 1.0


def report_steps(callback: Callable[[int, int], None] | None, number: int, batches: int) -> StepCallback | None:
    """Return the callback that a diffusers pipeline reports the steps of a batch to.

    Args:
        callback: takes the number of steps that are done and that of all, over all batches.
        number: number of the batch, from 0.
        batches: number of all batches.
    """
    if callback is None:
        return None

    def report(diffusion: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        per_batch = count_timesteps(diffusion)
        callback(number * per_batch + step + 1, batches * per_batch)
        return tensors

    return report


def _cancellable(callback: StepCallback | None, loras: LoraWeights) -> StepCallback:
    """Return a callback that ends a cancelled generation after a step, and calls another one before.

    Where a thread draws for others in between, as that of a server does, LoRAs have their own weights.
    """

    def check(diffusion: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        changed = tensors if callback is None else callback(diffusion, step, timestep, tensors)
        with loras.suspended():
            check_cancelled()
        return changed

    return check


def _check_decoded(diffusion: Any) -> None:
    """Let a pipeline check the images that its VAE decodes, before it clamps them and rounds them to bytes.

    Args:
        diffusion: a shallow copy of the pipeline; its image processor is replaced.
    """
    processor = copy(diffusion.image_processor)
    postprocess = processor.postprocess

    def checked(image: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(image, Tensor):
            check_finite(image, "decoded images", diffusion.unet.dtype)
        return postprocess(image, *args, **kwargs)

    processor.postprocess = checked
    diffusion.image_processor = processor


def _resized(conditioning: ConditioningImages, size: tuple[int, int], *, crops: bool) -> ConditioningImages:
    """Resize given images to the height and width that are generated.

    With `padding_mask_crop`, diffusers resizes a crop around the mask, and puts what it generates back into the whole
    image, which therefore keeps its size.
    """
    image, mask = conditioning.image, conditioning.mask_image
    if not crops or image is None or mask is None:
        return conditioning.resized(*size)
    if mask.getbbox() is None:
        raise InputError("padding_mask_crop needs a mask with a white area, around which the image is cropped")
    return conditioning.resized(image.height, image.width)


def _check_conditioning(conditioning: ConditioningImages, diffusion: Any, parameters: Parameters) -> None:
    """Check that a pipeline is given the images that it needs, and no others.

    Raises:
        InputError: one is missing, or cannot be used.
    """
    has_controlnet = getattr(diffusion, "controlnet", None) is not None
    starts_from_image = "image" in parameters and not (has_controlnet and control_name(parameters) == "image")
    task = "image-to-image" if conditioning.mask_image is None else "inpainting"
    another_task = f"task='{task}', or draw with its for_task('{task}')"
    for name, image, is_taken, remedy in (
        ("image", conditioning.image, starts_from_image, another_task),
        ("mask_image", conditioning.mask_image, "mask_image" in parameters, another_task),
        ("control_image", conditioning.control_image, has_controlnet, "a controlnet"),
    ):
        if is_taken and image is None:
            raise SettingError(name, f"is missing: {_name(diffusion)} needs one")
        if image is not None and not is_taken:
            problem = f"cannot be used: {_name(diffusion)} takes none; load it with {remedy}"
            raise SettingError(name, problem, code="not-by-this-model")


def _name(diffusion: Any) -> str:
    return type(diffusion).__name__
