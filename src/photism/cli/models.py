"""Which models draw, and how they run: what the options say, read before any of them is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from photism.cli.startup import DTYPES, load_pipeline
from photism.errors import InputError
from photism.prompts.diffusion_options import DiffusionOptions, Offload, Task

if TYPE_CHECKING:
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker


@dataclass(frozen=True, kw_only=True)
class ModelsGiven:
    """The options of `draw` and `film` that say what draws, by their names; `task` is what it is to do.

    Raises:
        InputError: one of them is wrong, or two exclude each other.
    """

    model: str | None
    diffusion: str | None
    lora: Sequence[str] | None
    scheduler: str | None
    device: str | None
    dtype: str
    attention_slicing: bool
    compile: bool
    offload: str | None
    controlnet: str | None = None
    task: Task | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"--dtype must be one of {', '.join(DTYPES)}; got {self.dtype}")
        _ = self.options  # what is wrong with them is told here

    @property
    def options(self) -> DiffusionOptions:
        """What the diffusion pipeline is to be."""
        return DiffusionOptions(
            task=self.task,
            controlnet=self.controlnet,
            lora=dict(_lora(each) for each in self.lora or ()),
            scheduler=self.scheduler,
            attention_slicing=self.attention_slicing,
            compile=self.compile,
            offload=cast("Offload | None", self.offload),
        )

    @property
    def settings(self) -> dict[str, object]:
        """What a picture tells of it."""
        return {
            "model": self.model or "tiny",
            "diffusion": self.diffusion,
            "lora": ", ".join(self.lora) if self.lora else None,
            "scheduler": self.scheduler,
            "dtype": None if self.dtype == DTYPES[0] else self.dtype,
        }

    def load(self) -> tuple[AudioToImagePipeline, CaptionRanker | None]:
        """What draws and, where the model brings captions and the means to read them, what says what was heard.

        Raises:
            InputError: something is missing, damaged or does not fit together.
        """
        return load_pipeline(
            self.model, diffusion=self.diffusion, device=self.device, dtype=self.dtype, options=self.options
        )


def _lora(option: str) -> tuple[str, float]:
    """PATH:WEIGHT, or a path alone, which may have colons."""
    path, _, weight = option.rpartition(":")
    try:
        return (path, float(weight)) if path else (option, 1.0)
    except ValueError:
        return option, 1.0
