"""Style images: what an IP-Adapter reads from pictures, computed once for all images of a generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from photism.drawing.conditioning_images import read_images
from photism.drawing.diffusion_arguments import IP_ADAPTER_ARGUMENTS, has_ip_adapter
from photism.errors import InputError
from photism.locks import lock_of_models
from photism.settings import SettingError

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.image_reading import ImageSource

EMBEDS = "ip_adapter_image_embeds"


def check_style(style: Any, diffusion: Any, diffusion_arguments: Mapping[str, Any]) -> None:
    """Check that there are style images where a pipeline has an IP-Adapter, and only there.

    Raises:
        InputError: they are missing, given twice, cannot be used, or are not one for each of several IP-Adapters.
    """
    passed = [name for name in IP_ADAPTER_ARGUMENTS if diffusion_arguments.get(name) is not None]
    if style is None:
        if has_ip_adapter(diffusion) and not passed:
            raise SettingError("style", "is missing: the IP-Adapter of diffusion needs an image")
        return
    if not has_ip_adapter(diffusion):
        problem = "cannot be used: diffusion has no IP-Adapter; load it with {}"
        raise SettingError("style", problem, "ip_adapter", code="not-by-this-model")
    if passed:
        raise InputError(f"style and diffusion_arguments {passed[0]} cannot be given together")
    adapters = len(diffusion.unet.encoder_hid_proj.image_projection_layers)
    if adapters > 1 and (not isinstance(style, list) or len(style) != adapters):
        raise SettingError("style", f"must be a list of {adapters} images, one for each IP-Adapter")
    if getattr(diffusion, "image_encoder", None) is None:
        raise SettingError("style", f"cannot be used: diffusion has no image encoder; pass {EMBEDS} instead")


@torch.no_grad()
def encode_style(
    style: ImageSource | list[ImageSource], diffusion: Any, *, is_guided: bool, background: str
) -> list[Tensor]:
    """Encode style images as diffusers' own call would.

    Args:
        style: one or more images.
        diffusion: a pipeline with an IP-Adapter and an image encoder.
        is_guided: whether images are generated with guidance, which leads away from the embedding of no image.
        background: colour that is seen through transparent areas.

    Returns:
        For each IP-Adapter the embeddings (1, N, …) of its N images, with guidance (2, N, …): first those of no image.

    Raises:
        InputError: an image cannot be read.
    """
    read = read_images("style", style if isinstance(style, list) else [style], background=background)
    images = cast("list[Image]", read)
    adapters = len(diffusion.unet.encoder_hid_proj.image_projection_layers)
    per_adapter = [images] if adapters == 1 else [[image] for image in images]
    with lock_of_models(diffusion):
        return diffusion.prepare_ip_adapter_image_embeds(per_adapter, None, diffusion._execution_device, 1, is_guided)
