"""Settings of an image generation, checked before a recording is read or a model is loaded.

Nothing here imports torch, so that the command line checks a setting before it loads a library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from photism.drawing.negative_prompt import TextPrompt, parse_negative, parse_negative_words, read_negative
from photism.prompts.prompt_weights import check_weight_syntax
from photism.prompts.settings import Task
from photism.prompts.text_place import TextPlace, read_text_place
from photism.seeds import check_seeds
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from typing_extensions import Self

    from photism.drawing.image_reading import ImageSource
    from photism.drawing.negative_prompt import Negative
else:
    ImageSource = Negative = Any  # types of numpy and Pillow, which are not imported for a declaration

BLENDED_STRENGTH = 0.5
"""Strength of a recording that a text is blended with."""


def one_or_list(values: Sequence[Any]) -> Any:
    """Return the value of a flag that was given once, or the list of those of one that was given several times."""
    return values[0] if len(values) == 1 else list(values)


def parse_scales(values: Sequence[str]) -> float | list[float]:
    """Return the numbers of a flag as `one_or_list` does.

    Raises:
        ValueError: one is not a finite number.
    """
    try:
        scales = [float(value) for value in values]
    except ValueError:
        scales = [math.nan]
    if not all(math.isfinite(scale) for scale in scales):
        raise ValueError(f"must be a finite number; got {', '.join(values)}")
    return one_or_list(scales)


def parse_lora_weights(values: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the names and weights of LoRAs from strings NAME:WEIGHT.

    Raises:
        ValueError: a string is none of these, or a name occurs twice.
    """
    weights: dict[str, float] = {}
    for value in values:
        name, _, weight = value.rpartition(":")
        try:
            number = float(weight)
        except ValueError:
            number = math.nan
        if not name or name in weights or not math.isfinite(number):
            raise ValueError(f"must be NAME:WEIGHT, such as ink:0.7, once for each LoRA; got {value}")
        weights[name] = number
    return tuple(weights.items())


@settings(group="generation")
class ImageSettings:
    """Settings that an image and a frame of a film have in common."""

    num_inference_steps: int | None = setting(
        None, "Number of denoising steps. Default: the model's.", minimum=1, flag="--steps", field_maximum=1000
    )
    guidance_scale: float | None = setting(
        None,
        "Classifier-free guidance scale: higher values follow the recording more closely, 1 is without guidance. "
        "Default: the model's.",
        minimum=0,
        field_maximum=1000,
    )
    negative: Negative | None = setting(
        None,
        "Negative prompt, which guidance leads away from: empty, silence, noise, none, text:WORDS, or a recording. "
        "WORDS may have weights, as those of a text. Default: the model's.",
        metavar="PROMPT",
        parse=parse_negative,
        parse_field=parse_negative_words,
        group="prompt",
    )
    long_text: bool = setting(
        False,
        "Encode a text or negative text that is longer than a prompt in chunks, instead of cutting it.",
        group="prompt",
    )
    height: int | None = setting(
        None,
        "Height in pixels, given together with the width, and rounded to a multiple of 8, or of the VAE's downsampling "
        "factor if that is larger. Default: that of the image to start from or follow, or the diffusion model's.",
        unit="pixels",
    )
    width: int | None = setting(
        None, "Width in pixels, given together with the height, and rounded and chosen like it.", unit="pixels"
    )
    batch_size: int = setting(
        4,
        "Number of images generated at once, also of several recordings; a smaller batch needs less memory.",
        minimum=1,
        is_field=False,
        group="speed",
    )
    text: str | None = setting(
        None,
        "Text prompt that is mixed into the prompt of each recording. Words may have weights: (red cat)1.3, a dog++.",
        metavar="WORDS",
        group="prompt",
    )
    text_place: TextPlace = setting(
        "blend",
        "Where the text goes: blended into the whole prompt; or in place of the recording's first tokens, its last, or "
        "those from START to STOP - 1.",
        metavar="blend|before|after|START:STOP",
        parse=read_text_place,
        group="prompt",
    )
    sound_strength: float | None = setting(
        None,
        "Weight of the recording in the prompt: 1 is the recording, apart from tokens that a text replaces; 0 is the "
        "text alone, or the empty text if there is none; above 1 exaggerates the recording. Default: 1, or 0.5 if a "
        "text is blended.",
        minimum=0,
        field_maximum=1000,
        flag="--strength",
        group="prompt",
    )
    image: ImageSource | None = setting(
        None,
        "Image to start from, instead of noise. It is scaled to the width and height, or else down to the area that "
        "the diffusion model was trained with, if it is larger.",
        metavar="FILE",
        file="image",
        group="images",
    )
    keep_image_size: bool = setting(
        False,
        "Generate at the size of a given image even if it is larger than the model's.",
        flag="--image-size",
        group="images",
    )
    background: str = setting(
        "white",
        "Colour that is seen through transparent areas of given images, by name or as #rrggbb.",
        metavar="COLOUR",
        group="images",
    )
    strength: float | None = setting(
        None,
        "How much of the image to start from is changed, as the fraction of the denoising steps that is done; 1 keeps "
        "nothing of it. Default: the diffusers pipeline's.",
        above=0,
        maximum=1,
        flag="--image-strength",
        group="images",
    )
    style: list[ImageSource] | ImageSource | None = setting(
        None,
        "Image whose style the generated images have, read by the IP-Adapter; the recording gives the subject. A list, "
        "or the flag again, for several.",
        metavar="FILE",
        file="image",
        parse=one_or_list,
        group="images",
    )
    control_image: list[ImageSource] | ImageSource | None = setting(
        None,
        "Image that the ControlNet makes the generated images follow; a list, or the flag again, for each of several.",
        metavar="FILE",
        file="image",
        parse=one_or_list,
        group="images",
    )
    controlnet_conditioning_scale: Sequence[float] | float | None = setting(
        None,
        "Weight of the ControlNet: 0 ignores its image, 1 is the weight that it was trained with; one for all of "
        "several ControlNets, or one for each. Default: the diffusers pipeline's.",
        metavar="NUMBER",
        flag="--control-scale",
        parse=parse_scales,
        group="images",
    )

    lora_weights: Sequence[tuple[str, float]] | Mapping[str, float] | None = setting(
        None,
        "Weight of a LoRA that the model was loaded with, for these images only: NAME:WEIGHT, again for each of "
        "several; 0 leaves it out. Default: the weights that they were loaded with.",
        flag="--lora",
        parse=parse_lora_weights,
        is_flag=False,
        is_field=True,
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            SettingError: one is given without another that it needs, no step is left, a text has the weights of
                another program, or a LoRA has no finite weight.
        """
        for name, weight in self.weight_of_loras.items():
            if not math.isfinite(weight):
                raise SettingError("lora_weights", f"must be finite; got {weight:g} for {name}")
        negative = parse_negative(self.negative) if isinstance(self.negative, str) else self.negative
        if isinstance(negative, TextPrompt):
            check_weight_syntax(negative.text, "negative")
        if self.text is not None:
            check_weight_syntax(self.text, "text")
        if self.long_text and self.text_place != "blend":
            problem = "cannot be combined with {}: there are more tokens than places"
            raise SettingError("long_text", problem, "text_place", code="excludes-field")
        if self.height is None and self.width is not None:
            raise SettingError("width", "must be given together with {}", "height", code="needs-field")
        if self.width is None and self.height is not None:
            raise SettingError("height", "must be given together with {}", "width", code="needs-field")
        for name, value, other, other_value in (
            ("strength", self.strength, "image", self.image),
            ("controlnet_conditioning_scale", self.controlnet_conditioning_scale, "control_image", self.control_image),
            ("text_place", None if self.text_place == "blend" else self.text_place, "text", self.text),
        ):
            if value is not None and other_value is None:
                raise SettingError(name, "must be given together with {}", other, code="needs-field")
        steps, strength = self.num_inference_steps, self.strength
        if steps is not None and strength is not None and int(steps * strength) < 1:
            raise SettingError(
                "strength", f"{strength:g} leaves none of {steps} {{}}; raise one of them", "num_inference_steps"
            )
        if self.background != "white":
            from photism.drawing.image_reading import check_colour

            check_colour("background", self.background)

    def decoded(self) -> Self:
        """Return the settings with their files read, so that errors are found before a model is loaded.

        Raises:
            InputError: a file cannot be read.
        """
        from photism.drawing.conditioning_images import read_conditioning_images, read_images

        images = read_conditioning_images(self.image, None, self.control_image, background=self.background)
        return replace(
            self,
            image=images.image,
            control_image=images.control_image,
            style=read_images("style", self.style, background=self.background),
            negative=None if self.negative is None else read_negative(self.negative),
        )

    @property
    def task(self) -> Task | None:
        """The task of the diffusers pipeline; None for the one it was saved for."""
        return None if self.image is None else "image-to-image"

    @property
    def weight_of_loras(self) -> dict[str, float]:
        """Weight of each LoRA that has another one than it was loaded with, by its name."""
        return dict(self.lora_weights or ())

    @property
    def resolved_sound_strength(self) -> float:
        """Strength of the recording, or its default."""
        if self.sound_strength is not None:
            return self.sound_strength
        return BLENDED_STRENGTH if self.text is not None and self.text_place == "blend" else 1.0


@settings(group="generation")
class DrawSettings(ImageSettings):
    """Settings of an image generation."""

    seed: int | Sequence[int] | None = setting(
        0,
        "Random seed of the first image of each recording; the next image has the next seed. A list in Python holds "
        "the seed of each image, of one recording or of all.",
        minimum=0,
    )
    preview_steps: int | None = setting(
        None,
        "Number of denoising steps from one preview to the next, as events before the result; a model whose previews "
        "take long has fewer. Default: no previews.",
        minimum=1,
        is_flag=False,
        is_field=True,
    )
    images_per_sound: int = setting(1, "Number of images per recording.", minimum=1, flag="--images")
    mask_image: ImageSource | None = setting(
        None,
        "Mask of the size of the image to start from: only its white area is generated, or if its opacity varies, its "
        "opaque area. All else is kept exactly.",
        metavar="FILE",
        file="image",
        flag="--mask",
        group="images",
    )
    seam: int = setting(
        0,
        "Width of the soft edge within the white area of the mask, over which the generated image fades in.",
        minimum=0,
        unit="pixels",
        group="images",
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            SettingError: one is given without another that it needs, no denoising step is left, or a seed is wrong.
        """
        super().check()
        for name, value, other, other_value in (
            ("mask_image", self.mask_image, "image", self.image),
            ("seam", self.seam or None, "mask_image", self.mask_image),
        ):
            if value is not None and other_value is None:
                raise SettingError(name, "must be given together with {}", other, code="needs-field")
        check_seeds(self.seed, self.images_per_sound, count_name="images_per_sound")

    def decoded(self) -> DrawSettings:
        """Return the settings with their files read, so that errors are found before a model is loaded.

        Raises:
            InputError: a file cannot be read, or the mask has another size than the image.
        """
        from photism.drawing.conditioning_images import read_conditioning_images

        decoded = super().decoded()
        return replace(decoded, **vars(read_conditioning_images(decoded.image, self.mask_image, decoded.control_image)))

    @property
    def task(self) -> Task | None:
        """The task of the diffusers pipeline; None for the one it was saved for."""
        return "inpainting" if self.mask_image is not None else super().task
