"""The LCM-LoRA of a Photism model: with the scheduler lcm, its own diffusers pipeline draws in a few steps.

    lcm/pytorch_lora_weights.safetensors    of the UNet, as diffusers' `save_lora_weights` writes it

It is added to the UNet's weights once, so that a step costs no more than without it and needs no PEFT. The file's
metadata has the number of steps that it was trained for; classifier-free guidance is a part of what it learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.schedulers import DISTILLED_STEPS
from photism.weights import check_floats, read_headers, read_metadata

FILE = Path("lcm/pytorch_lora_weights.safetensors")
STEPS = "num_inference_steps"
"""Key of the file's metadata."""
GUIDANCE_SCALE = 1.0


@dataclass(frozen=True)
class Lcm:
    """An LCM-LoRA that was read.

    Attributes:
        path: its file.
        num_inference_steps: the number of steps that it was trained for.
    """

    path: Path
    num_inference_steps: int


def read_lcm(folder: Path) -> Lcm | None:
    """Return the LCM-LoRA in the folder of a Photism model, if there is one; its weights are not read.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    check_floats(read_headers([path], f"the LCM-LoRA {path}"), f"the LCM-LoRA {path}")
    steps = read_metadata(path).get(STEPS, str(DISTILLED_STEPS))
    if not steps.isdecimal():
        raise InputError(f"the LCM-LoRA {path} must have a number as {STEPS} in its metadata; it has {steps!r}")
    return Lcm(path, int(steps))


@torch.no_grad()
def merge_lcm(unet: Any, lcm: Lcm) -> None:
    """Add an LCM-LoRA to the weights of a UNet, in place.

    Raises:
        InputError: it is for another UNet.
    """
    from safetensors.torch import load_file

    tensors = load_file(lcm.path)
    for name in sorted({key.rpartition(".lora_")[0] for key in tensors}):
        with as_input_error(f"the LCM-LoRA {lcm.path} does not fit the UNet: {name}"):
            layer = unet.get_submodule(name.removeprefix("unet."))
            # Other LoRA weights of the layer stand next to its own, and are not changed.
            weight = layer.get_parameter("base_layer.weight" if hasattr(layer, "base_layer") else "weight")
            down, up = (tensors[f"{name}.lora_{half}.weight"].to(weight.device, torch.float32) for half in "AB")
            # (out, rank) by (rank, in · height · width); a convolution's second matrix is one of 1×1.
            weight += (up.flatten(1) @ down.flatten(1)).view_as(weight).to(weight.dtype)
    unet.to(memory_format=torch.channels_last)  # on a CPU an image takes a twelfth less time
