"""The pictures that are drawn from: options that must go together, read before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from photism.errors import InputError
from photism.prompts.diffusion_options import Task


@dataclass(frozen=True, kw_only=True)
class PicturesGiven:
    """The options of `draw` that say what it draws from, by their names.

    Raises:
        InputError: one is given without the other that it goes with.
    """

    image: str | None
    image_strength: float | None
    mask: str | None
    controlnet: str | None
    control_image: str | None
    control_scale: float | None

    def __post_init__(self) -> None:
        for name, given, other, other_given in (
            ("--mask", self.mask, "--image", self.image),
            ("--image-strength", self.image_strength, "--image", self.image),
            ("--controlnet", self.controlnet, "--control-image", self.control_image),
            ("--control-image", self.control_image, "--controlnet", self.controlnet),
            ("--control-scale", self.control_scale, "--controlnet", self.controlnet),
        ):
            if given is not None and other_given is None:
                raise InputError(f"{name} must be given together with {other}")

    @property
    def task(self) -> Task | None:
        """What the diffusion model is to do; None for what it was made for."""
        return "inpainting" if self.mask is not None else "image-to-image" if self.image is not None else None

    def arguments(self, steps: int | None) -> dict[str, Any]:
        """Those of `AudioToImagePipeline` that say what to draw from, with the pictures opened.

        Raises:
            InputError: a picture cannot be read or does not fit, or the strength is out of range for so many steps.
        """
        from photism.drawing.arguments import check_strength
        from photism.drawing.conditioning_images import read_conditioning_images

        if self.image_strength is not None:
            check_strength(self.image_strength, steps)
        given = read_conditioning_images(self.image, self.mask, self.control_image)
        scale = {} if self.control_scale is None else {"controlnet_conditioning_scale": self.control_scale}
        return {
            "image": given.image,
            "strength": self.image_strength,
            "mask_image": given.mask_image,
            "control_image": given.control_image,
            "diffusion_arguments": scale,
        }
