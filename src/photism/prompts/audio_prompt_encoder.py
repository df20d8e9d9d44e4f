"""The encoder, a prompt adapter and a prompt space as one model: sounds in, prompts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedConfig, PreTrainedModel, Wav2Vec2BertConfig, initialization

from photism.audio.log_mel import FRAMES_PER_S, LogMel, log_mel
from photism.audio.waveform import AudioSource, Waveform, load_waveform
from photism.encoder.chunked import encode_long, longest_exact
from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.module_copy import copy_modules
from photism.errors import InputError
from photism.prompts.lexicon import Lexicon
from photism.prompts.prompt_adapter import (
    INITIAL_QUERY_STD,
    INITIAL_SHARPNESS,
    ConvPromptAdapter,
    PhoneticPromptAdapter,
    ResamplerPromptAdapter,
)
from photism.prompts.prompt_space import PromptSpace

PromptAdapter = ConvPromptAdapter | ResamplerPromptAdapter | PhoneticPromptAdapter
ADAPTERS: dict[str, type[PromptAdapter]] = {
    "conv": ConvPromptAdapter,
    "resampler": ResamplerPromptAdapter,
    "phonetic": PhoneticPromptAdapter,
}


class AudioPrompt(NamedTuple):
    """What a diffusion pipeline takes in place of a text, under the names of its arguments."""

    prompt_embeds: Tensor  # (B, S, D)
    pooled_prompt_embeds: Tensor | None  # (B, P), where the model wants it
    windows: tuple[int, ...] = ()  # that each sound was encoded in, by `encode`: 1 is in one piece, and exact
    shares: Tensor | None = None  # float32 (B, prompts), where a prompt is a mixture of those that the model remembers


class AudioPromptEncoderConfig(PreTrainedConfig):
    """What it takes to build an `AudioPromptEncoder` before its weights are loaded.

    Args:
        encoder: arguments of `Wav2Vec2BertConfig`.
        adapter: "conv", "resampler" or "phonetic".
        adapter_arguments: keyword arguments of that adapter's class other than the widths and `tokens`.
        tokens: that the adapter makes, without the opening one; at most the space's length - 1.
        space_name, space_length, space_width, space_pooled_width, space_norm: of the `PromptSpace`, whose vectors lie
            with the weights.
        num_mel_bins, feature_stride: of `log_mel`; their product is the encoder's `feature_projection_input_dim`.
        input_tokens: that the encoder hears of every sound: a longer one is cut, a shorter one filled up with
            `padding_value`, which is heard too; None for the whole of every sound and nothing else.
        padding_value: of `log_mel`.
        default_negative: the word that says what drawings go away from, see `photism.drawing.Negative`.
        default_diffusion: hub id of the pipeline to draw with where none lies in the model's folder.
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
        padding_value: float = 0.0,
        default_negative: str = "empty",
        default_diffusion: str | None = None,
        **kwargs: Any,
    ) -> None:
        if adapter not in ADAPTERS:
            raise InputError(f"adapter must be one of {', '.join(ADAPTERS)}; got {adapter!r}")
        if not 1 <= tokens < space_length:
            raise InputError(f"tokens must be from 1 to {space_length - 1}, the space's length - 1; got {tokens}")
        self.encoder = dict(encoder or {})
        self.adapter, self.adapter_arguments = adapter, dict(adapter_arguments or {})
        self.tokens = tokens
        self.space_name, self.space_length, self.space_width = space_name, space_length, space_width
        self.space_pooled_width, self.space_norm = space_pooled_width, space_norm
        self.num_mel_bins, self.feature_stride = num_mel_bins, feature_stride
        self.input_tokens, self.padding_value = input_tokens, padding_value
        self.default_negative, self.default_diffusion = default_negative, default_diffusion
        super().__init__(**kwargs)


class AudioPromptEncoder(PreTrainedModel):
    """Turns sounds into prompts of one prompt space.

    Saved and loaded as one folder: `config.json` and `model.safetensors`, which also holds the space's vectors.
    """

    config_class = AudioPromptEncoderConfig
    main_input_name = "input_features"
    base_model_prefix = "audio_prompt_encoder"

    bos: Tensor
    negative: Tensor
    pooled_negative: Tensor | None
    pooled_projection: nn.Linear | None

    def __init__(self, config: AudioPromptEncoderConfig) -> None:
        super().__init__(config)
        encoder = Wav2Vec2BertConfig(**config.encoder)
        self.encoder = Wav2Vec2BertModel(encoder)
        adapter = ADAPTERS[config.adapter]
        arguments = dict(config.adapter_arguments)
        self.adapter = adapter(encoder.hidden_size, config.space_width, tokens=config.tokens, **arguments)
        self.pooled_projection = (
            nn.Linear(config.space_width, config.space_pooled_width) if config.space_pooled_width else None
        )
        self.register_buffer("bos", torch.zeros(config.space_width))
        self.register_buffer("negative", torch.zeros(config.space_length, config.space_width))
        pooled_negative = torch.zeros(config.space_pooled_width) if config.space_pooled_width else None
        self.register_buffer("pooled_negative", pooled_negative)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the parameters and buffers of a module that a checkpoint lacks."""
        super()._init_weights(module)
        if isinstance(module, AudioPromptEncoder):
            for buffer in module.buffers(recurse=False):
                initialization.zeros_(buffer)
        elif isinstance(module, ResamplerPromptAdapter):
            initialization.normal_(module.queries, std=INITIAL_QUERY_STD)
        elif isinstance(module, PhoneticPromptAdapter):
            initialization.constant_(module.sharpness, INITIAL_SHARPNESS)
        elif isinstance(module, Lexicon):
            initialization.copy_(module.path, module.empty_path())
            initialization.zeros_(module.prompt)
            initialization.zeros_(module.bias)

    @classmethod
    def for_space(
        cls, space: PromptSpace, *, encoder: Wav2Vec2BertConfig, tokens: int | None = None, **config: Any
    ) -> AudioPromptEncoder:
        """An untrained model for a prompt space.

        Args:
            space: where the prompts are to go.
            encoder: configuration of the audio encoder.
            tokens: how many the adapter makes; by default all of the space's but the opening one.
            config: further arguments of `AudioPromptEncoderConfig`.
        """
        model = cls(
            AudioPromptEncoderConfig(
                encoder=encoder.to_diff_dict(),
                tokens=space.length - 1 if tokens is None else tokens,
                space_name=space.name,
                space_length=space.length,
                space_width=space.width,
                space_pooled_width=space.pooled_width,
                space_norm=space.norm,
                **config,
            )
        )
        model.bos.copy_(space.bos)
        model.negative.copy_(space.negative)
        if space.pooled_negative is not None and model.pooled_negative is not None:
            model.pooled_negative.copy_(space.pooled_negative)
        return model

    @property
    def prompt_space(self) -> PromptSpace:
        """The space that the prompts are in, with this model's vectors."""
        return PromptSpace(
            name=self.config.space_name,
            bos=self.bos,
            negative=self.negative,
            norm=self.config.space_norm,
            pooled_negative=self.pooled_negative,
        )

    def features(self, sounds: Sequence[AudioSource]) -> LogMel:
        """What `forward` takes for these sounds, on this model's device."""
        config = self.config
        features, mask = log_mel(
            [load_waveform(sound) for sound in sounds],
            num_mel_bins=config.num_mel_bins,
            stride=config.feature_stride,
            padding_value=config.padding_value,
            device=self.device,
        )
        if config.input_tokens is not None:
            missing = config.input_tokens - features.shape[1]  # below zero: crops
            features = pad(features, (0, 0, 0, missing), value=config.padding_value)
            mask = mask.new_ones(features.shape[:2])
        return LogMel(features, mask)

    def forward(self, input_features: Tensor, attention_mask: Tensor) -> AudioPrompt:
        """Encodes log-mel tokens.

        Args:
            input_features: (B, F, num_mel_bins * feature_stride), as `log_mel` makes them.
            attention_mask: (B, F), 1 for a token of the recording and 0 for padding, which changes nothing.

        Returns:
            prompts of 1 + tokens vectors, the opening one first, pooled vectors where the space has them, and shares
            where the adapter mixes prompts.
        """
        states = self.encoder(input_features.to(self.dtype), attention_mask=attention_mask).last_hidden_state
        return self._prompt(states, attention_mask)

    def _prompt(self, states: Tensor, attention_mask: Tensor) -> AudioPrompt:
        """(B, F, D) states and their mask (B, F)."""
        if not isinstance(self.adapter, PhoneticPromptAdapter):
            return self._opened(self.adapter(states, attention_mask))
        shares = self.adapter.shares(states, attention_mask)
        return self._opened(self.adapter.mix(shares))._replace(shares=shares)

    def _opened(self, tokens: Tensor) -> AudioPrompt:
        """(B, tokens, D), behind the opening one."""
        opening = self.bos.to(tokens.dtype).expand(len(tokens), 1, -1)
        pooled = None if self.pooled_projection is None else self.pooled_projection(tokens.mean(dim=1))
        return AudioPrompt(torch.cat([opening, tokens], dim=1), pooled)

    @torch.no_grad()
    def remembered(self) -> AudioPrompt:
        """The prompts that shares are of: (prompts, 1 + tokens, D).

        Raises:
            InputError: the adapter mixes none.
        """
        if not isinstance(self.adapter, PhoneticPromptAdapter):
            raise InputError(f"only a phonetic adapter remembers prompts; this is {self.config.adapter!r}")
        return self._opened(self.adapter.mix(torch.eye(self.adapter.shape[0], device=self.device)))

    @torch.no_grad()
    def encode(self, sounds: Sequence[AudioSource], *, batch_size: int = 8) -> AudioPrompt:
        """Prompts for sounds of any length; a sound's prompt does not depend on the others.

        A sound of many minutes (`photism.encoder.longest_exact`) is encoded in overlapped windows.

        Args:
            sounds: anything that `load_waveform` takes.
            batch_size: sounds encoded at once.

        Returns:
            their prompts, and in how many windows each was encoded: 1 is in one piece, and exact.

        Raises:
            InputError: no sounds, or one that cannot be read.
        """
        if not len(sounds):
            raise InputError("sounds must hold at least one sound; got none")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1; got {batch_size}")
        # The mode of the caller's modules stays as it is: another thread may be training them.
        encoder = copy_modules(self).eval() if any(module.training for module in self.modules()) else self
        parts = [
            part
            for start in range(0, len(sounds), batch_size)
            for part in encoder._encode_batch([load_waveform(sound) for sound in sounds[start : start + batch_size]])
        ]
        pooled = [part.pooled_prompt_embeds for part in parts if part.pooled_prompt_embeds is not None]
        shares = [part.shares for part in parts if part.shares is not None]
        return AudioPrompt(
            torch.cat([part.prompt_embeds for part in parts]),
            torch.cat(pooled) if pooled else None,
            tuple(windows for part in parts for windows in part.windows),
            torch.cat(shares) if shares else None,
        )

    def _encode_batch(self, waveforms: Sequence[Waveform]) -> list[AudioPrompt]:
        """Together where they fit into memory, or else one by one."""
        seconds = len(waveforms) * max(waveform.duration_s for waveform in waveforms)
        fit = seconds * FRAMES_PER_S / self.config.feature_stride <= longest_exact(self.encoder)
        return [self._encode(group) for group in ([waveforms] if fit else [[each] for each in waveforms])]

    def _encode(self, waveforms: Sequence[Waveform]) -> AudioPrompt:
        """Waveforms that fit into memory together, or a single one of any length."""
        features, mask = self.features(waveforms)
        if len(waveforms) > 1:
            return self(features, mask)._replace(windows=(1,) * len(waveforms))
        features, mask = features[:, : int(mask.sum())], mask[:, : int(mask.sum())]
        states, windows = encode_long(self.encoder, features)
        return self._prompt(states, mask)._replace(windows=(windows,))
