"""Settings of an audio-to-image pipeline, and of mixing the prompts of recordings.

Nothing here imports torch, so that the command line checks a setting before it loads a library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from photism import schedulers
from photism.device import DTYPES, device_setting, dtype_name
from photism.errors import InputError
from photism.extras import require
from photism.settings import SettingError, setting, settings

Task: TypeAlias = Literal["text-to-image", "image-to-image", "inpainting"]
PredictionType: TypeAlias = Literal["epsilon", "v_prediction"]
Offload: TypeAlias = Literal["model", "sequential"]
Item = TypeVar("Item")

IP_ADAPTER_SCALE = 0.6
"""Default weight of the style images."""


def parse_loras(values: Sequence[str]) -> tuple[tuple[str | Path, float], ...]:
    """Return each LoRA and its weight from strings PATH:WEIGHT, or a path alone, which may contain colons."""
    loras: list[tuple[str | Path, float]] = []
    for value in values:
        path, _, weight = value.rpartition(":")
        try:
            loras.append((path or value, float(weight) if path else 1.0))
        except ValueError:
            loras.append((value, 1.0))
    return tuple(loras)


def parse_embeddings(values: Sequence[str]) -> tuple[tuple[str | Path, str | None], ...]:
    """Return each embedding and its token from strings PATH:TOKEN, or a path alone, which may contain colons."""
    embeddings: list[tuple[str | Path, str | None]] = []
    for value in values:
        path, _, token = value.rpartition(":")
        is_path = not path or not token or any(sign in token for sign in "/\\") or Path(token).suffix == ".safetensors"
        embeddings.append((value, None) if is_path else (path, token))
    return tuple(embeddings)


@settings(group="model")
class PipelineSettings:
    """Settings of an audio-to-image pipeline: which models it is loaded from, and how they run."""

    model: str | Path | None = setting(
        None,
        "Folder or hub id of a Photism model, or of a checkpoint of audio2img. Default: the bundled model.",
        metavar="FOLDER|ID",
    )
    diffusion: str | Path | None = setting(
        None,
        "Diffusion model that generates the images: a single .safetensors file of Stable Diffusion 1.x, 2.x or XL, or "
        "the folder or hub id of a diffusers pipeline. Default: the one that the model contains or names.",
        metavar="FILE|FOLDER|ID",
    )
    task: Task | None = setting(
        None,
        "What the diffusers pipeline does. Default: what it was saved for, which nearly always is text-to-image.",
        choices=get_args(Task),
        is_flag=False,
    )
    controlnet: Any = setting(
        None,
        "ControlNet, given together with a control image: a .safetensors file, folder or hub id; in Python also the "
        "model itself. Or a list of several, which are used together and have a control image each.",
        metavar="FILE|FOLDER|ID",
        is_flag=False,
    )
    vae: Any = setting(
        None,
        "VAE that decodes the images: a .safetensors file, folder or hub id; in Python also the model itself. Default: "
        "that of the diffusion model.",
        metavar="FILE|FOLDER|ID",
    )
    variant: str | None = setting(
        None,
        "Variant of the weights to load from a folder or the hub, such as fp16. Default: the weights without a variant "
        "if there are any, or else the variant that there is.",
        metavar="NAME",
    )
    prediction_type: PredictionType | None = setting(
        None,
        "What the UNet was trained to predict. Default: as the diffusion model says; of a single file of Stable "
        "Diffusion 2.x, as its weights show.",
        choices=get_args(PredictionType),
    )
    lora: Mapping[str | Path, float] | Sequence[tuple[str | Path, float]] | str | Path | None = setting(
        None,
        "LoRA weights: a file, folder, hub id or OWNER/NAME/FILE.safetensors, and the factor they are scaled by, "
        "1 if omitted. Weights for a text encoder change the text prompts only. May be given several times; the "
        "factors of one that is repeated are added.",
        metavar="PATH[:WEIGHT]",
        parse=parse_loras,
    )
    embedding: Sequence[tuple[str | Path, str | None]] | Mapping[str | Path, str] | str | Path | None = setting(
        None,
        "Embedding of textual inversion: a .safetensors file, folder or hub id, and the token that stands for it in "
        "the text prompts; by default the one that the file names, or else the file's own name. May be given several "
        "times.",
        metavar="PATH[:TOKEN]",
        parse=parse_embeddings,
    )
    ip_adapter: str | Path | None = setting(
        None,
        "IP-Adapter, with which style images steer the images: a .safetensors file, folder, hub id or "
        "OWNER/NAME/FILE.safetensors.",
        metavar="FILE|FOLDER|ID",
    )
    ip_adapter_scale: float | None = setting(
        None,
        "Weight of the style images: 0 ignores them, 1 is the weight of the IP-Adapter's training. "
        f"Default: {IP_ADAPTER_SCALE}.",
        minimum=0,
    )
    image_encoder: str | Path | None = setting(
        None,
        "CLIP vision model of the IP-Adapter: folder, hub id or OWNER/NAME/FOLDER. Default: the folder image_encoder "
        "next to the IP-Adapter.",
        metavar="FOLDER|ID",
    )
    scheduler: str | None = setting(
        None,
        f"{schedulers.DESCRIPTION} Default: the diffusers pipeline's own.",
        metavar=schedulers.METAVAR,
        group="generation",
    )
    device: Any = device_setting()
    dtype: Any = setting("float32", "Data type of the weights of all models.", metavar="|".join(DTYPES), group="speed")
    attention_slicing: bool = setting(
        False, "Compute attention in slices, which needs less memory and takes longer.", group="speed"
    )
    compile: bool = setting(
        False,
        "Compile the UNet at its first denoising step, which takes minutes and makes later steps faster.",
        group="speed",
    )
    offload: Offload | None = setting(
        None,
        "Keep weights in the CPU's memory except for the model, or with sequential the layer, that is computing; saves "
        "memory of the GPU.",
        choices=get_args(Offload),
        group="speed",
    )

    def check(self) -> None:
        """Check the dtype, the scheduler, the weights of LoRAs, and settings that exclude each other.

        Raises:
            InputError: LoRAs or offloading need a library that is not installed.
            SettingError: one cannot be used.
        """
        dtype_name(self.dtype)
        if self.scheduler is not None:
            schedulers.parse_scheduler(self.scheduler)
        for source, weight in self.loras:
            if not math.isfinite(weight):
                raise SettingError("lora", f"must have finite weights; got {weight} for {source}")
        if self.loras:
            require("peft", "lora", "diffusion")
        if self.offload:
            require("accelerate", "offload", "diffusion")
        for name in ("ip_adapter_scale", "image_encoder"):
            if getattr(self, name) is not None and self.ip_adapter is None:
                raise SettingError(name, "must be given together with {}", "ip_adapter", code="needs-field")
        if self.attention_slicing and self.ip_adapter is not None:
            raise SettingError(
                "attention_slicing",
                "cannot be combined with {}, which it would remove",
                "ip_adapter",
                code="excludes-field",
            )
        if self.compile and self.offload == "sequential":
            raise SettingError(
                "compile", "cannot be combined with {} sequential, which moves layers one by one", "offload"
            )

    @property
    def controlnets(self) -> tuple[Any, ...]:
        """All ControlNets."""
        if self.controlnet is None:
            return ()
        return tuple(self.controlnet) if isinstance(self.controlnet, list | tuple) else (self.controlnet,)

    @property
    def style_scale(self) -> float:
        """Weight of the style images."""
        return IP_ADAPTER_SCALE if self.ip_adapter_scale is None else self.ip_adapter_scale

    @property
    def embeddings(self) -> tuple[tuple[str | Path, str | None], ...]:
        """Sources of embeddings and the token of each; None for the default."""
        if self.embedding is None:
            return ()
        if isinstance(self.embedding, str | Path):
            return ((self.embedding, None),)
        return tuple(self.embedding.items() if isinstance(self.embedding, Mapping) else self.embedding)

    @property
    def loras(self) -> tuple[tuple[str | Path, float], ...]:
        """Sources of LoRA weights and the factor of each."""
        if self.lora is None:
            return ()
        if isinstance(self.lora, str | Path):
            return ((self.lora, 1.0),)
        return tuple(self.lora.items() if isinstance(self.lora, Mapping) else self.lora)


@settings(group="prompt")
class MixSettings:
    """Which recordings are drawn together, and how."""

    mix: str | None = setting(
        None,
        "Generate one image from all recordings, weighted as in 2,1. Default file: mix.png.",
        metavar="WEIGHTS",
    )
    morph: int | None = setting(
        None,
        "Generate N images on the way from one recording to another, side by side. Default file: morph.png.",
        metavar="N",
    )

    def check(self) -> None:
        """Check each way to mix, and that there is one of them at most.

        Raises:
            SettingError: both are given, weights are not numbers, or there are too few images.
        """
        if self.mix is not None and self.morph is not None:
            raise SettingError("mix", "and {} cannot be given together; draw one, then the other", "morph")
        if self.morph is not None and self.morph < 2:
            problem = f"must be at least 2, for the two ends; got {self.morph}"
            raise SettingError("morph", problem, values={"minimum": 2})
        _ = self.weights

    @property
    def weights(self) -> list[float] | None:
        """Weight of each recording in the blend of all."""
        return None if self.mix is None else parse_weights(self.mix)

    @property
    def name(self) -> str | None:
        """Name of the image file of all recordings; None if each recording is drawn by itself."""
        return "mix" if self.mix is not None else "morph" if self.morph is not None else None

    def groups(self, recordings: Sequence[Item]) -> list[list[Item]]:
        """Return the recordings that are drawn together.

        Raises:
            InputError: their number does not fit.
        """
        if self.morph is not None and len(recordings) != 2:
            problem = f"must have two recordings to go between; got {len(recordings)}"
            raise SettingError("morph", problem, code="two-recordings")
        if self.weights is not None:
            normalize_weights(self.weights, len(recordings))
        return [list(recordings)] if self.name else [[recording] for recording in recordings]


def parse_weights(mix: str) -> list[float]:
    """Return the weights that the setting `mix` lists, such as "2,1".

    Raises:
        SettingError: they are not numbers separated by commas.
    """
    try:
        return [float(weight) for weight in mix.split(",")]
    except ValueError:
        problem = f"must be numbers separated by commas, such as 2,1; got {mix}"
        raise SettingError("mix", problem, code="weights") from None


def normalize_weights(weights: Sequence[float], count: int) -> list[float]:
    """Normalise the weights of `count` prompts to a sum of 1.

    Raises:
        InputError: there are more or fewer weights, one is below 0 or not finite, or all are 0.
    """
    if len(weights) != count:
        raise InputError(f"weights must be one for each recording, {count}; got {len(weights)}", code="weights")
    total = sum(weights)
    if not 0 < total < math.inf or min(weights) < 0:
        problem = f"weights must be at least 0, finite and not all 0; got {', '.join(map(str, weights))}"
        raise InputError(problem, code="weights")
    return [weight / total for weight in weights]
