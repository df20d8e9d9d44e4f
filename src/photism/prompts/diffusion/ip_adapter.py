"""Find and check an IP-Adapter, with which a picture steers the style of images, and load it into a diffusers pipeline.

Ye et al., "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from photism.errors import InputError, as_input_error
from photism.hub import fetch_files
from photism.json_files import read_json_object
from photism.library_logging import quiet_libraries
from photism.locks import loading_lock
from photism.prompts.diffusion.adapter_file import SUFFIX, adapter_file
from photism.prompts.diffusion.file_kinds import IP_ADAPTER, recognise, refuse
from photism.prompts.diffusion.unet_fit import check_prompt_width, unet_without_weights
from photism.prompts.settings import PipelineSettings
from photism.weights import TensorHeader, check_component, check_floats, check_values, default_files, read_headers

IMAGE_ENCODER = "image_encoder"
"""Folder of the image encoder next to the weights, in the published repository h94/IP-Adapter."""
ENCODER_FILES = ("config.json", "model.safetensors")
PICKLED_TENSORS = "{f'{a}.{b}': t for a, v in w.items() for b, t in v.items()}"

PROJECTIONS = {
    "image_proj.proj.weight": ("projection_dim", 1),
    "image_proj.proj.3.weight": ("hidden_size", 0),
    "image_proj.proj_in.weight": ("hidden_size", 1),
}
"""A tensor of each kind of IP-Adapter (plain, full and plus) with the width of the image encoder that it reads: the
name of that width in the configuration, and the axis of the tensor that has it."""


@dataclass(frozen=True)
class IpAdapter:
    """An IP-Adapter that fits a UNet and an image encoder.

    Attributes:
        path: its weights.
        image_encoder: folder of the CLIP vision model that reads the pictures.
        scale: weight of the pictures.
    """

    path: Path
    image_encoder: Path
    scale: float


def find_ip_adapter(settings: PipelineSettings, unet_config: Mapping[str, Any]) -> IpAdapter | None:
    """Find an IP-Adapter and its image encoder, and check that they fit a UNet; None if there is none in the settings.

    Args:
        settings: of the pipeline.
        unet_config: configuration of the UNet.

    Raises:
        InputError: it cannot be found or read, is for another model or image encoder, or reads no pictures.
    """
    if settings.ip_adapter is None:
        return None
    source = str(settings.ip_adapter)
    path, name = adapter_file("ip_adapter", source, tensors=PICKLED_TENSORS), f"ip_adapter {source}"
    headers = read_headers([path], name)
    if recognise(headers) != IP_ADAPTER:
        raise refuse("ip_adapter", source, recognise(headers))
    check_floats(headers, name)
    projection = next((key for key in PROJECTIONS if key in headers), None)
    if projection is None or any("perceiver_resampler" in key for key in headers):
        raise InputError(
            f"{name} is an IP-Adapter FaceID, which takes embeddings of a face recogniser instead of pictures; give a "
            "plain, plus, plus-face or full-face IP-Adapter"
        )
    _check_layers(headers, unet_config, name)
    folder = _encoder_folder(settings, source, path)
    width_name, axis = PROJECTIONS[projection]
    made = read_json_object(folder / "config.json", f"image_encoder {folder}").get(width_name)
    if made != headers[projection].shape[axis]:
        raise InputError(
            f"{name} was trained with an image encoder of {width_name} {headers[projection].shape[axis]}; that of "
            f"{folder} has {made}: give the right one as image_encoder"
        )
    return IpAdapter(path, folder, settings.style_scale)


def add_ip_adapter(pipeline: Any, adapter: IpAdapter | None) -> None:
    """Load an IP-Adapter into the UNet of a pipeline, and its image encoder into the pipeline.

    Raises:
        InputError: it cannot be loaded.
    """
    if adapter is None:
        return
    from safetensors.torch import load_file
    from transformers import CLIPVisionModelWithProjection

    encoder_name, name = f"image_encoder {adapter.image_encoder}", f"ip_adapter {adapter.path}"
    check_component(
        CLIPVisionModelWithProjection, adapter.image_encoder, default_files(adapter.image_encoder), encoder_name
    )
    with as_input_error(f"{encoder_name} cannot be loaded"), quiet_libraries, loading_lock:
        encoder: Any = CLIPVisionModelWithProjection.from_pretrained(
            adapter.image_encoder, dtype=pipeline.unet.dtype, use_safetensors=True
        )
    check_values(encoder, encoder_name)
    pipeline.register_modules(image_encoder=encoder.to(pipeline.unet.device))
    weights: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in load_file(adapter.path).items():
        part, _, rest = key.partition(".")
        weights.setdefault(part, {})[rest] = tensor
    with as_input_error(f"{name} cannot be loaded"), quiet_libraries:
        pipeline.load_ip_adapter(
            weights, subfolder=None, weight_name=None, image_encoder_folder=None, low_cpu_mem_usage=False
        )
    check_values(pipeline.unet, f"unet with {name}")
    pipeline.set_ip_adapter_scale(adapter.scale)


def _check_layers(headers: Mapping[str, TensorHeader], unet_config: Mapping[str, Any], name: str) -> None:
    """Check that an IP-Adapter has keys and values of the right shapes for each cross-attention layer of a UNet."""
    layers = {key: header for key, header in headers.items() if key.endswith(".to_k_ip.weight")}
    for header in layers.values():
        check_prompt_width(header.shape[-1], unet_config, f"{name} is an IP-Adapter")
    unet = unet_without_weights(unet_config)
    modules: Mapping[str, nn.Module] = dict(unet.named_modules())
    crossing = [
        each.removesuffix(".processor") for each in unet.attn_processors if not each.endswith("attn1.processor")
    ]
    # The layers are numbered among all attention layers, of which every other one is a cross-attention.
    for number, layer in enumerate(crossing):
        header = layers.get(f"ip_adapter.{2 * number + 1}.to_k_ip.weight")
        keys: Any = modules[f"{layer}.to_k"]
        if header is None or header.shape != tuple(keys.weight.shape) or len(layers) != len(crossing):
            raise InputError(
                f"{name} is for another model: it has {len(layers)} layers, which do not fit the {len(crossing)} "
                "cross-attention layers of diffusion"
            )


def _encoder_folder(settings: PipelineSettings, source: str, path: Path) -> Path:
    """Return the folder of the image encoder: the one of the settings, or the one next to the weights."""
    given = settings.image_encoder
    if given is None and not Path(source).exists():  # OWNER/NAME/…/FILE.safetensors, or a hub id alone
        parent = source.rpartition("/")[0] if source.endswith(SUFFIX) else source
        given = f"{parent}/{IMAGE_ENCODER}"
    folder = path.parent / IMAGE_ENCODER if given is None else Path(given)
    if not folder.is_dir() and given is not None and len(parts := str(given).split("/")) > 1:
        inner = "/".join(parts[2:])
        wanted = [f"{inner}/{file}".lstrip("/") for file in ENCODER_FILES]
        folder = fetch_files(IMAGE_ENCODER, "/".join(parts[:2]), wanted) / inner
    if not (folder / "config.json").is_file() or not default_files(folder):
        raise InputError(
            f"image_encoder is missing: {folder} holds no {' and '.join(ENCODER_FILES)}; give the folder or hub id of "
            "the CLIP vision model that the IP-Adapter was trained with"
        )
    return folder
