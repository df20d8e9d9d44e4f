"""`photism draw --mix` and `--morph`: several recordings that are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photism.cli.startup import startup
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.prompts.audio_prompt import AudioPrompt


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Which recordings are drawn together, and how.

    Attributes:
        recordings: files or URLs.
        mix: weight of each recording, separated by commas: all are drawn as one.
        morph: number of images on the way from the first recording to the second.

    Raises:
        InputError: the weights or the number cannot be used with these recordings, or both are given.
    """

    recordings: Sequence[str]
    mix: str | None
    morph: int | None

    def __post_init__(self) -> None:
        if self.morph is not None:
            if self.mix is not None:
                raise InputError("--mix and --morph cannot be given together; draw one, then the other")
            if len(self.recordings) != 2:
                raise InputError(f"--morph must have two recordings to go between; got {len(self.recordings)}")
            if self.morph < 2:
                raise InputError(f"--morph must be at least 2, for the two ends; got {self.morph}")
        _ = self.weights

    @property
    def name(self) -> str | None:
        """Name of the image file of all recordings; None if each recording is drawn by itself."""
        return "mix" if self.mix is not None else "morph" if self.morph is not None else None

    @property
    def groups(self) -> list[list[str]]:
        """Recordings that are drawn together."""
        return [list(self.recordings)] if self.name else [[recording] for recording in self.recordings]

    @property
    def weights(self) -> list[float] | None:
        """Weight of each recording with --mix, normalised to sum to 1.

        Raises:
            InputError: they are not numbers, or cannot be used.
        """
        if self.mix is None:
            return None
        with startup():
            from photism.prompts.mixing import normalize_weights
        try:
            weights = [float(weight) for weight in self.mix.split(",")]
        except ValueError:
            raise InputError(f"--mix must be numbers separated by commas, such as 2,1; got {self.mix}") from None
        return normalize_weights(weights, len(self.recordings))

    def prompts(self, prompts: AudioPrompt) -> AudioPrompt:
        """Return the prompts to draw from those of the recordings: one row for each, for the mixture, or for each step.

        Args:
            prompts: a row for each recording.
        """
        from photism.prompts.audio_prompt import select_rows
        from photism.prompts.mixing import blend, interpolate

        rows = [select_rows(prompts, [row]) for row in range(len(self.recordings))]
        if self.morph is not None:
            return interpolate(rows[0], rows[1], self.morph)
        return prompts if self.weights is None else blend(rows, self.weights)
