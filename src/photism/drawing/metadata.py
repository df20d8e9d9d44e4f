"""Metadata of generated images: which models and settings generated them, as they stand in PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism import __version__
from photism.drawing.negative_prompt import negative_name
from photism.drawing.settings import DrawSettings
from photism.files import as_utf8, atomic_path
from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    from PIL.Image import Image


def describe_models(settings: PipelineSettings) -> dict[str, Any]:
    """Return which models generated an image, as PNG metadata; None for what is not named there."""
    loras = [f"{source}:{weight:g}" if weight != 1 else str(source) for source, weight in settings.loras]
    dtype = str(settings.dtype).removeprefix("torch.")
    return {
        "model": settings.model or "tiny",
        "diffusion": settings.diffusion,
        "lora": ", ".join(loras) or None,
        "embedding": ", ".join(str(each) if token is None else f"{each}:{token}" for each, token in settings.embeddings)
        or None,
        "ip_adapter": settings.ip_adapter,
        "ip_adapter_scale": settings.style_scale if settings.ip_adapter is not None else None,
        "scheduler": settings.scheduler,
        "dtype": None if dtype == "float32" else dtype,
        "controlnet": _names(settings.controlnets) or None,
    }


def describe_settings(given: DrawSettings, used: DrawSettings) -> dict[str, Any]:
    """Return how an image was generated, as PNG metadata; None for what is not named there.

    Args:
        given: settings as the user gave them, with the names of files; images without a name are not named.
        used: settings that the pipeline used, from its output.
    """
    place = given.text_place if isinstance(given.text_place, str) else ":".join(map(str, given.text_place))
    return {
        "steps": used.num_inference_steps,
        "height": given.height,
        "width": given.width,
        "guidance_scale": used.guidance_scale,
        "negative": negative_name(given.negative or used.negative),
        "text": given.text,
        "text_place": None if given.text is None else place,
        "long_text": given.long_text or None,
        "sound_strength": None if given.text is None and given.sound_strength is None else used.sound_strength,
        "image": _names(given.image),
        "background": None if given.background == "white" else given.background,
        "image_strength": given.strength,
        "mask": _names(given.mask_image),
        "seam": given.seam or None,
        "style": _names(given.style),
        "control_image": _names(given.control_image),
        "control_scale": _names(given.controlnet_conditioning_scale),
    }


def _names(value: Any) -> str | None:
    """Return names or numbers as text, those of a list separated by commas; None for an image, which has no name."""
    values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    named = [str(each) for each in values if isinstance(each, str | Path | Real)]
    return ", ".join(named) if len(named) == len(values) else None


def write_png(image: Image, target: Path, about: Mapping[str, object]) -> None:
    """Write a PNG next to its target and rename it, so that an interruption leaves no incomplete file.

    Args:
        image: to be written.
        target: its file.
        about: names and values that the file carries as text; None is skipped.
    """
    with atomic_path(target) as unfinished:
        unfinished.write_bytes(encode_png(image, about))


def encode_png(image: Image, about: Mapping[str, object]) -> bytes:
    """Return the bytes of a PNG file.

    Args:
        image: the image.
        about: names and values that the file carries as text; None is skipped.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_itxt("Software", f"photism {__version__}")
    for name, value in about.items():
        if value is not None:
            chunks.add_itxt(name, as_utf8(str(value)))
    file = BytesIO()
    image.save(file, format="PNG", pnginfo=chunks)
    return file.getvalue()
