"""Negative prompts: what classifier-free guidance leads away from.

Reading a negative prompt loads no model and does not import torch; parsing one imports nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.long_recording import LongRecording, Recording
    from photism.audio.waveform import AudioSource, Waveform
    from photism.prompts.audio_prompt import AudioPrompt
    from photism.prompts.audio_prompt_encoder import AudioPromptEncoder

SYNTHETIC_S = 4  # seconds of silence or noise
NOISE_AMPLITUDE = 0.01
NOISE_SEED = 0
TEXT_PREFIX = "text:"

NegativeWord: TypeAlias = Literal["empty", "silence", "noise", "none"]
"""A negative prompt by a word, see `Negative`."""
NEGATIVE_WORDS: tuple[NegativeWord, ...] = get_args(NegativeWord)


@dataclass(frozen=True)
class TextPrompt:
    """A text prompt, where a plain string would be the path of a recording."""

    text: str


Negative: TypeAlias = "NegativeWord | TextPrompt | AudioSource | LongRecording"
"""A negative prompt.

"empty": the empty text, which diffusion pipelines use by default.
"silence": four seconds of digital silence, encoded as a recording.
"noise": four seconds of seeded white noise of amplitude 0.01, as in audio2img (kardSIM).
"none": no negative prompt; images are generated without guidance, in half the time.
"text:a photograph" or `TextPrompt("a photograph")`: a text; the diffusion pipeline must have its text encoder.
Anything else is a recording that `load_waveform` takes; a file of the name noise is "./noise".
"""


def default_negative(encoder: AudioPromptEncoder) -> NegativeWord:
    """Return the negative prompt that an encoder was trained to be used with.

    Raises:
        InputError: `default_negative` in its configuration is not a `NegativeWord`. Anything else would be opened as a
            file or URL that the user has not named.
    """
    word = encoder.config.default_negative
    if word not in NEGATIVE_WORDS:
        raise InputError(f"default_negative must be one of {', '.join(NEGATIVE_WORDS)}; got {word}")
    return word


def parse_negative(value: str) -> TextPrompt | str:
    """Return the negative prompt that a string names: text:WORDS, a `NegativeWord`, or the source of a recording."""
    return TextPrompt(value.removeprefix(TEXT_PREFIX)) if value.startswith(TEXT_PREFIX) else value


def parse_negative_words(value: str) -> TextPrompt | NegativeWord:
    """Return the negative prompt that a string names: a `NegativeWord`, or any other words as a text, never a file."""
    parsed = parse_negative(value)
    if isinstance(parsed, TextPrompt):
        return parsed
    return next((word for word in NEGATIVE_WORDS if word == parsed), TextPrompt(parsed))


def negative_name(negative: Negative | None) -> str | None:
    """Return the string that `parse_negative` takes for a negative prompt; None for one without a name."""
    if isinstance(negative, TextPrompt):
        return f"{TEXT_PREFIX}{negative.text}"
    return str(negative) if isinstance(negative, str | Path) else None


def read_negative(negative: Negative) -> NegativeWord | TextPrompt | Recording:
    """Decode a negative prompt that is a recording, so that errors are found before a model is loaded.

    Raises:
        InputError: it is neither a word, a text nor a readable recording.
    """
    if isinstance(negative, str):
        negative = parse_negative(negative)
    if isinstance(negative, TextPrompt) or (isinstance(negative, str) and negative in NEGATIVE_WORDS):
        return negative
    from photism.audio.long_recording import load_recording

    try:
        return load_recording(negative)
    except InputError as error:
        words = ", ".join(NEGATIVE_WORDS)
        raise InputError(f"negative must be one of {words}, text:WORDS or a recording: {error}") from None


def encode_negative(
    negative: NegativeWord | TextPrompt | Recording,
    encoder: AudioPromptEncoder,
    diffusion: Any,
    *,
    is_long: bool = False,
) -> AudioPrompt | None:
    """Encode a negative prompt into one row of the length of the encoder's prompts; None for "none".

    Args:
        negative: from `read_negative`.
        encoder: encodes recordings.
        diffusion: a diffusers pipeline, which encodes texts.
        is_long: encode a text that is longer in chunks of that length, instead of cutting it.

    Raises:
        InputError: it is a text, and the diffusion pipeline has no text encoder.
    """
    if negative == "none":
        return None
    if negative == "empty":
        return encoder.empty_prompt
    if isinstance(negative, TextPrompt):
        from photism.prompts.text import encode_text_prompt

        length, dtype = encoder.prompt_length, encoder.dtype
        return encode_text_prompt(
            diffusion, [negative.text], length=length, dtype=dtype, name="negative", is_long=is_long
        )
    return encoder.encode([_synthetic(negative) if isinstance(negative, str) else negative])


def _synthetic(word: str) -> Waveform:
    """Return the waveform of "silence" or "noise"."""
    import numpy as np

    from photism.audio.waveform import SAMPLING_RATE, Waveform

    amplitude = NOISE_AMPLITUDE if word == "noise" else 0.0
    noise = np.random.default_rng(NOISE_SEED).standard_normal(SYNTHETIC_S * SAMPLING_RATE, dtype=np.float32)
    return Waveform(amplitude * noise)
