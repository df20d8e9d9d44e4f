"""What is drawn away from, as it is typed: a word, text:WORDS, or a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photism.cli.startup import startup

if TYPE_CHECKING:
    from photism.audio.waveform import Waveform
    from photism.drawing.negative_prompt import NegativeWord, TextPrompt

TEXT_MARK = "text:"


def parse_negative(negative: str | None) -> NegativeWord | TextPrompt | Waveform | None:
    """Reads --negative before a model is loaded; None where it is left out, which is the model's own.

    Raises:
        InputError: neither one of the words nor a sound that can be read.
    """
    if negative is None:
        return None
    with startup():
        from photism.drawing.negative_prompt import TextPrompt, read_negative
    if negative.startswith(TEXT_MARK):
        return TextPrompt(negative.removeprefix(TEXT_MARK))
    return read_negative(negative)
