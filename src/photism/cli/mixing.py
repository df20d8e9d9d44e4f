"""Several sounds as one picture, and a text beside them: what the options say, read before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photism.cli.startup import startup
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.prompts.audio_prompt import AudioPrompt
    from photism.prompts.text_place import TextPlace


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """The options of `draw` that say what goes into a prompt, by their names.

    Raises:
        InputError: one of them is wrong for these sounds, or two exclude each other.
    """

    sounds: Sequence[str]
    mix: str | None
    morph: int | None
    text: str | None
    text_place: str
    strength: float | None

    def __post_init__(self) -> None:
        if self.morph is not None:
            _check_morph(self.morph, self.sounds, self.mix)
        _ = self.place, self.weights  # what is wrong with them is told here

    @property
    def name(self) -> str | None:
        """What a picture of all sounds is called; None where each sound is drawn by itself."""
        return "mix" if self.mix is not None else "morph" if self.morph is not None else None

    @property
    def groups(self) -> list[list[str]]:
        """The sounds that are drawn together."""
        return [list(self.sounds)] if self.name else [[sound] for sound in self.sounds]

    @property
    def weights(self) -> list[float] | None:
        """Of each sound, by --mix; checked by what will use them.

        Raises:
            InputError: they are no numbers, or cannot be used.
        """
        if self.mix is None:
            return None
        with startup():
            from photism.prompts.mixing import normalize_weights
        try:
            weights = [float(weight) for weight in self.mix.split(",")]
        except ValueError:
            raise InputError(f"--mix must be numbers with commas between them, such as 2,1; got {self.mix}") from None
        return normalize_weights(weights, len(self.sounds))

    @property
    def place(self) -> TextPlace:
        """Where the text stands."""
        from photism.prompts.text_place import read_text_place

        return read_text_place(self.text_place, name="--text-place")

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `AudioToImagePipeline` that mix a text in."""
        return {"text": self.text, "text_place": self.place, "sound_strength": self.strength}

    @property
    def settings(self) -> dict[str, object]:
        """What a picture tells of it."""
        place = None if self.text is None else self.text_place
        return {"text": self.text, "text_place": place, "weights": self.mix, "morph": self.morph}

    def prompt(self, prompts: Sequence[AudioPrompt]) -> AudioPrompt:
        """What is drawn of the sounds of a group, whose prompts have one row each."""
        from photism.prompts.mixing import blend, interpolate

        if self.morph is not None:
            return interpolate(prompts[0], prompts[1], self.morph)
        return prompts[0] if self.weights is None else blend(prompts, self.weights)


def _check_morph(morph: int, sounds: Sequence[str], mix: str | None) -> None:
    if mix is not None:
        raise InputError("--mix and --morph cannot be given together; draw the one, then the other")
    if len(sounds) != 2:
        raise InputError(f"--morph must have two sounds to go between; got {len(sounds)}")
    if morph < 2:
        raise InputError(f"--morph must be at least 2, for the two ends; got {morph}")
