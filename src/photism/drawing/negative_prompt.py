"""What guidance leads away from: the prompt that the picture should not follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform
from photism.drawing.prompts import empty_prompt, text_prompt
from photism.errors import InputError
from photism.prompts.audio_prompt_encoder import AudioPrompt, AudioPromptEncoder

MADE_SAMPLES = 4 * SAMPLING_RATE  # 4 s of silence or noise
NOISE_AMPLITUDE = 0.01
NOISE_SEED = 0

NegativeWord: TypeAlias = Literal["empty", "silence", "noise", "none"]
WORDS: tuple[NegativeWord, ...] = get_args(NegativeWord)


@dataclass(frozen=True)
class TextPrompt:
    """Words where otherwise a string would be the path of a sound."""

    text: str


Negative: TypeAlias = "NegativeWord | TextPrompt | AudioSource"
"""What to draw away from.

"empty": the empty text, as a diffusion pipeline does by default.
"silence": four seconds of nothing, as the encoder hears it.
"noise": four seconds of seeded white noise of amplitude .01, as audio2img (kardSIM) does.
"none": nothing, which is drawing without guidance, in half the time.
`TextPrompt("a photograph")`: a text, where the diffusion pipeline has its text encoder.
Anything else is a sound that `load_waveform` takes; a file of the name noise is "./noise".
"""


def default_negative(encoder: AudioPromptEncoder) -> NegativeWord:
    """What an encoder was made to be drawn away from.

    Raises:
        InputError: its configuration names none of the words; it could be a file or URL, which nobody asked for.
    """
    word = encoder.config.default_negative
    if word not in WORDS:
        raise InputError(f"default_negative must be one of {', '.join(WORDS)}; got {word}")
    return word


def read_negative(negative: Negative) -> NegativeWord | TextPrompt | Waveform:
    """Decodes a negative that is a sound, so that its mistakes show before anything expensive starts.

    Raises:
        InputError: neither one of the words nor a sound that can be read.
    """
    if isinstance(negative, TextPrompt) or (isinstance(negative, str) and negative in WORDS):
        return negative
    try:
        return load_waveform(negative)
    except InputError as error:
        raise InputError(f"negative must be one of {', '.join(WORDS)}, a TextPrompt or a sound: {error}") from None


def encode_negative(
    negative: NegativeWord | TextPrompt | Waveform, encoder: AudioPromptEncoder, diffusion: Any
) -> AudioPrompt | None:
    """The negative as a prompt of one row, as long as the encoder's prompts; None for "none".

    Raises:
        InputError: a text, but the pipeline has no text encoder.
    """
    if negative == "none":
        return None
    if negative == "empty":
        return empty_prompt(encoder)
    if isinstance(negative, TextPrompt):
        return text_prompt([negative.text], encoder, diffusion, name="negative")
    return encoder.encode([_made_sound(negative) if isinstance(negative, str) else negative])


def _made_sound(word: str) -> Waveform:
    amplitude = NOISE_AMPLITUDE if word == "noise" else 0.0
    noise = np.random.default_rng(NOISE_SEED).standard_normal(MADE_SAMPLES, dtype=np.float32)
    return Waveform(amplitude * noise)
