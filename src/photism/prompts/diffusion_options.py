"""What a diffusion pipeline is made of and how it runs, in the words of diffusers.

It imports no library, so that the command line checks the words before it loads any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from photism.errors import InputError
from photism.schedulers import SCHEDULERS

Task: TypeAlias = Literal["text-to-image", "image-to-image", "inpainting"]
TASKS: tuple[Task, ...] = get_args(Task)

Offload: TypeAlias = Literal["model", "sequential"]
OFFLOADS: tuple[Offload, ...] = get_args(Offload)


@dataclass(frozen=True)
class DiffusionOptions:
    """How a diffusion pipeline is loaded.

    Attributes:
        task: "text-to-image", "image-to-image" or "inpainting"; None for what the pipeline's folder was saved as.
        controlnet: folder or hub id of a ControlNet, or the model itself.
        lora: files, folders or hub ids of LoRA weights, such as "owner/name" or "owner/name/file.safetensors", and how
            strongly each counts, 1 being as it was trained.
        scheduler: one of `SCHEDULERS`, made from the configuration of the pipeline's own; None for its own.
        attention_slicing: compute attention a slice at a time: less memory, more time.
        compile: compile the UNet at its first step, which takes minutes, for faster steps after it.
        offload: keep weights in the processor's memory but for the model ("model") or the layer ("sequential") that is
            at work.

    Raises:
        InputError: a word or a weight cannot be used, or options do not go together.
    """

    task: Task | None = None
    controlnet: Any = None
    lora: Mapping[str | Path, float] = field(default_factory=dict[str | Path, float])
    scheduler: str | None = None
    attention_slicing: bool = False
    compile: bool = False
    offload: Offload | None = None

    def __post_init__(self) -> None:
        for name, word, words in (
            ("task", self.task, TASKS),
            ("scheduler", self.scheduler, SCHEDULERS),
            ("offload", self.offload, OFFLOADS),
        ):
            if word is not None and word not in words:
                raise InputError(f"{name} must be one of {', '.join(words)}; got {word}")
        for source, weight in self.lora.items():
            if not math.isfinite(weight):
                raise InputError(f"lora must have finite weights; got {weight} for {source}")
        if self.compile and self.offload == "sequential":
            raise InputError("compile must be left out with offload 'sequential', whose layers come and go one by one")
