"""How AudioLDM 2 is loaded and runs. It imports no library, so that the command line checks the words first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from photism.errors import InputError
from photism.schedulers import SCHEDULERS

SoundOffload: TypeAlias = Literal["model", "sequential", "disk"]
SOUND_OFFLOADS: tuple[SoundOffload, ...] = get_args(SoundOffload)

CHECKPOINTS = ("cvssp/audioldm2", "cvssp/audioldm2-large", "cvssp/audioldm2-music")
"""What is published for sound and music."""
SPEECH_CHECKPOINTS = ("anhnct/audioldm2_gigaspeech", "anhnct/audioldm2_ljspeech")
"""What is published for speech."""
LICENCE = (
    "the published weights of AudioLDM 2 are for non-commercial use only; the card of each checkpoint on the hub has "
    "the terms"
)

FEW_STEPS, MANY_STEPS = 25, 200
FEW_STEP_SCHEDULERS = ("dpm++", "unipc")
"""Solvers of second order, whose result at `FEW_STEPS` is near the one at `MANY_STEPS`."""


@dataclass(frozen=True)
class SoundOptions:
    """How the pipeline is loaded.

    Attributes:
        scheduler: one of `SCHEDULERS`, made from the configuration of the checkpoint's own; None for its own, DDIM.
        compile: compile the UNet at its first step, which takes minutes, for faster steps after it; on CUDA its steps
            are replayed as CUDA graphs then.
        offload: keep weights in the processor's memory but for the model ("model") or the layer ("sequential") that is
            at work; or let the weights of each stage go when it is done, to be read again when they are next needed
            ("disk").
        vae_slicing: decode one waveform at a time.
        vae_tiling: decode in tiles that overlap.

    Raises:
        InputError: a word cannot be used, or options do not go together.
    """

    scheduler: str | None = "dpm++"
    compile: bool = False
    offload: SoundOffload | None = None
    vae_slicing: bool = False
    vae_tiling: bool = False

    def __post_init__(self) -> None:
        for name, word, words in (
            ("scheduler", self.scheduler, tuple(SCHEDULERS)),
            ("offload", self.offload, SOUND_OFFLOADS),
        ):
            if word is not None and word not in words:
                raise InputError(f"{name} must be one of {', '.join(words)}; got {word}")
        if self.compile and self.offload in ("sequential", "disk"):
            raise InputError(f"compile must be left out with offload {self.offload!r}, which takes weights away again")

    @property
    def num_inference_steps(self) -> int:
        """What a call takes that names none."""
        return FEW_STEPS if self.scheduler in FEW_STEP_SCHEDULERS else MANY_STEPS
