"""Configuration of an `AudioPromptEncoder`, stored as config.json."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import NoneType
from typing import Any

from transformers import PreTrainedConfig

from photism.errors import InputError
from photism.prompts.prompt_adapter import ADAPTERS

TYPES: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    # names of values, what they must be, and their types
    (("tokens", "space_length", "space_width", "num_mel_bins", "feature_stride"), "a whole number from 1", int),
    (("space_pooled_width", "input_tokens", "max_input_tokens"), "null or a whole number from 1", (int, NoneType)),
    (("space_norm", "padding_value"), "a number", (int, float)),
    (("adapter", "space_name", "default_negative"), "a text", str),
    (("default_diffusion",), "null or a text", (str, NoneType)),
    (("encoder", "adapter_arguments"), "null or an object", (Mapping, NoneType)),
)
MOST_INPUT_TOKENS = 2**16
"""Largest fixed number of encoder inputs, to which each recording is padded: 22 minutes with inputs of 20 ms."""


class AudioPromptEncoderConfig(PreTrainedConfig):
    """Configuration of an `AudioPromptEncoder`.

    Args:
        encoder: arguments of `Wav2Vec2BertConfig`.
        adapter: prompt adapter: "conv", "resampler" or "phonetic".
        adapter_arguments: keyword arguments of the adapter's class, other than its widths and `tokens`.
        tokens: number of prompt tokens that the adapter produces, without BOS; at most `space_length` - 1.
        space_name: name of the `PromptSpace`, whose embeddings are stored with the weights.
        space_length: S, number of tokens of the space, BOS included.
        space_width: D, width of its tokens.
        space_pooled_width: P, width of its pooled embedding; None for spaces without one.
        space_norm: mean Euclidean norm of its tokens after BOS.
        num_mel_bins: number of mel bins of `log_mel`.
        feature_stride: number of mel frames that `log_mel` stacks; its product with `num_mel_bins` is the encoder's
            `feature_projection_input_dim`.
        input_tokens: fixed number of encoder inputs per recording: longer recordings are cropped, shorter ones padded
            with `padding_value`, and the padding is not masked. None encodes whole recordings and masks padding.
        max_input_tokens: largest number of encoder inputs per recording: longer recordings are cropped. None for any.
        padding_value: value of padded features.
        default_negative: negative prompt to use by default, see `photism.drawing.negative_prompt.NegativeWord`.
        default_diffusion: hub id of the diffusion pipeline to load if the model's folder holds none.
        known_sounds: numbers of `photism.prompts.known_sounds.KnownSounds`, by which a phonetic adapter decides whether
            a recording is known at all. None makes no decision.

    Raises:
        InputError: a value is of a wrong type or out of range, or the adapter is unknown, has no such arguments or has
            no use for `known_sounds`.
    """

    model_type = "photism_audio_prompt_encoder"

    def __init__(
        self,
        *,
        encoder: Mapping[str, Any] | None = None,
        adapter: str = "resampler",
        adapter_arguments: Mapping[str, Any] | None = None,
        tokens: int = 76,
        space_name: str = "sd-1",
        space_length: int = 77,
        space_width: int = 768,
        space_pooled_width: int | None = None,
        space_norm: float = 1.0,
        num_mel_bins: int = 80,
        feature_stride: int = 2,
        input_tokens: int | None = None,
        max_input_tokens: int | None = None,
        padding_value: float = 0.0,
        default_negative: str = "empty",
        default_diffusion: str | None = None,
        known_sounds: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_types(vars())
        if adapter not in ADAPTERS:
            raise InputError(f"adapter must be one of {', '.join(ADAPTERS)}; got {adapter!r}")
        _check_arguments(adapter, adapter_arguments or {})
        if known_sounds is not None and adapter != "phonetic":
            raise InputError(f"known_sounds is for a phonetic adapter; the adapter is {adapter!r}")
        if input_tokens is not None and input_tokens > MOST_INPUT_TOKENS:
            raise InputError(f"input_tokens must be null or from 1 to {MOST_INPUT_TOKENS}; got {input_tokens}")
        if not 1 <= tokens < space_length:
            raise InputError(
                f"tokens must be from 1 to {space_length - 1}, the prompt length without BOS; got {tokens}"
            )
        accepted = (encoder or {}).get("feature_projection_input_dim", num_mel_bins * feature_stride)
        if accepted != num_mel_bins * feature_stride:
            raise InputError(
                f"num_mel_bins · feature_stride must be {accepted}, the encoder's feature_projection_input_dim; got "
                f"{num_mel_bins} · {feature_stride}"
            )
        self.encoder = dict(encoder or {})
        self.adapter, self.adapter_arguments = adapter, dict(adapter_arguments or {})
        self.tokens = tokens
        self.space_name, self.space_length, self.space_width = space_name, space_length, space_width
        self.space_pooled_width, self.space_norm = space_pooled_width, space_norm
        self.num_mel_bins, self.feature_stride = num_mel_bins, feature_stride
        self.input_tokens, self.max_input_tokens, self.padding_value = input_tokens, max_input_tokens, padding_value
        self.default_negative, self.default_diffusion = default_negative, default_diffusion
        self.known_sounds = known_sounds
        super().__init__(**kwargs)


def _check_types(values: Mapping[str, Any]) -> None:
    """Check the types of values, which come from a file that anybody may have written.

    Raises:
        InputError: one is of another type, or is a number that is not positive.
    """
    for names, expected, types in TYPES:
        for name in names:
            value = values[name]
            is_count = types is int or types == (int, NoneType)
            if not isinstance(value, types) or (is_count and value is not None and value < 1):
                raise InputError(f"{name} must be {expected}; got {value!r:.40}")


def _check_arguments(adapter: str, arguments: Mapping[str, Any]) -> None:
    """Check that the class of an adapter takes these arguments besides its widths and `tokens`."""
    try:
        inspect.signature(ADAPTERS[adapter]).bind(0, 0, tokens=0, **arguments)
    except TypeError as error:
        raise InputError(f"adapter_arguments of adapter {adapter!r} do not fit it: {error}") from None
    for name, value in arguments.items():
        if not isinstance(value, int | float):
            raise InputError(f"adapter_arguments must be numbers; got {value!r:.40} for {name}")
