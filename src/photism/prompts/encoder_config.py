"""Configuration of an `AudioPromptEncoder`, stored as config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from photism.errors import InputError
from photism.prompts.prompt_adapter import ADAPTERS


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

    Raises:
        InputError: the adapter is unknown, or `tokens` is out of range.
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
        **kwargs: Any,
    ) -> None:
        if adapter not in ADAPTERS:
            raise InputError(f"adapter must be one of {', '.join(ADAPTERS)}; got {adapter!r}")
        if not 1 <= tokens < space_length:
            raise InputError(
                f"tokens must be from 1 to {space_length - 1}, the prompt length without BOS; got {tokens}"
            )
        self.encoder = dict(encoder or {})
        self.adapter, self.adapter_arguments = adapter, dict(adapter_arguments or {})
        self.tokens = tokens
        self.space_name, self.space_length, self.space_width = space_name, space_length, space_width
        self.space_pooled_width, self.space_norm = space_pooled_width, space_norm
        self.num_mel_bins, self.feature_stride = num_mel_bins, feature_stride
        self.input_tokens, self.max_input_tokens, self.padding_value = input_tokens, max_input_tokens, padding_value
        self.default_negative, self.default_diffusion = default_negative, default_diffusion
        super().__init__(**kwargs)
