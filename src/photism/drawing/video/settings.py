"""What a film is to be like, checked before anything is read or loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from photism.drawing.arguments import check_count, read_size
from photism.drawing.seeds import picture_seeds
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.drawing.negative_prompt import Negative

SHORTEST_WINDOW_S = 0.1
SHORTEST_HOP_S = 0.01
HIGHEST_FPS = 1000
LARGEST_DENOMINATOR = 1001  # of a frame rate: 30000/1001 is that of NTSC


@dataclass(frozen=True, kw_only=True)
class FilmSettings:
    """How a sound becomes a film.

    Attributes:
        fps: pictures a second, up to 1000: a number or its words, such as "29.97" or "30000/1001"; taken as the nearest
            fraction of a denominator up to 1001.
        window_s: of sound that is heard at once, at least .1.
        hop_s: from one window to the next, at least .01 and at most `window_s`.
        noise: how fast pictures change by themselves and with onsets; 0 for not at all, 1 for another picture in a
            minute of silence and in 2.5 seconds of full onsets.
        zoom: how far the loudest sound zooms into the picture: 0.1 makes it a tenth larger, 0 leaves it.
        attack_s: how fast loudness and onsets are followed as they rise, a time constant; 0 is at once.
        release_s: the same as they fall.
        num_inference_steps, guidance_scale, negative, height, width: as of `AudioToImagePipeline`.
        seed: of the noise that the film starts from, the next ones following; the same one gives the same film.
        batch_size: pictures drawn at once.

    Raises:
        InputError: one of them cannot be used.
    """

    fps: Fraction | float | str = 25
    window_s: float = 3.0
    hop_s: float = 1.0
    noise: float = 1.0
    zoom: float = 0.1
    attack_s: float = 0.05
    release_s: float = 0.5
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    negative: Negative | None = None
    seed: int = 0
    height: int | None = None
    width: int | None = None
    batch_size: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.frame_rate <= HIGHEST_FPS:
            raise InputError(f"fps must be over 0 and at most {HIGHEST_FPS}; got {self.fps}")
        _check("window_s", self.window_s, at_least=SHORTEST_WINDOW_S)
        _check("hop_s", self.hop_s, at_least=SHORTEST_HOP_S)
        if self.hop_s > self.window_s:
            raise InputError(
                f"hop_s must be at most window_s, {self.window_s:g}, or sound between windows goes unheard; "
                f"got {self.hop_s:g}"
            )
        for name in ("noise", "zoom", "attack_s", "release_s"):
            _check(name, getattr(self, name), at_least=0)
        if self.num_inference_steps is not None:
            check_count("num_inference_steps", self.num_inference_steps)
        read_size(self.height, self.width)
        check_count("batch_size", self.batch_size)
        picture_seeds(self.seed, 1)

    @property
    def frame_rate(self) -> Fraction:
        """Pictures a second.

        Raises:
            InputError: `fps` is no number.
        """
        try:
            return Fraction(self.fps).limit_denominator(LARGEST_DENOMINATOR)
        except (TypeError, ValueError, ArithmeticError):
            raise InputError(
                f"fps must be a number or fraction, such as 25, 29.97 or 30000/1001; got {self.fps}"
            ) from None


def _check(name: str, number: float, *, at_least: float) -> None:
    if not (number >= at_least and math.isfinite(number)):
        raise InputError(f"{name} must be at least {at_least:g}, and a number; got {number:g}")
