"""Model of an alignment: a prompt adapter on a pretrained encoder, saved as an `AudioPromptEncoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from photism.errors import as_input_error
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.pretrained_encoder import PretrainedEncoder, select
from photism.prompts.prompt_space import PromptSpace
from photism.settings import SettingError
from photism.training.parameters import configure_dropout, merge_lora, prepare_encoder
from photism.training.settings import DEFAULT_DIFFUSION, TRAINABLE_ADAPTERS, AlignSettings

DEFAULT_ADAPTER = "resampler"
CONV_SETTINGS = {
    "num_layers": "num_adapter_layers",
    "kernel_size": "adapter_kernel_size",
    "stride": "adapter_stride",
}
"""Setting of each argument of `ConvPromptAdapter` that changes the shape of its layers."""
CONV_DEFAULTS: dict[str, Any] = {"num_layers": 2, "kernel_size": 3, "stride": 2}
ADAPTER, PROJECTION = "adapter", "pooled_projection"
"""Parts of a Photism model besides its encoder."""


@dataclass(frozen=True)
class PromptEncoderBuilder:
    """How an `AudioPromptEncoder` for a prompt space is made and saved.

    Attributes:
        space: prompt space of the diffusion model.
        settings: settings of the training.
    """

    space: PromptSpace
    settings: AlignSettings
    encoder_name = "encoder"

    def build(self, pretrained: PretrainedEncoder, *, device: str = "cpu") -> AudioPromptEncoder:
        """Return a model with the weights of the pretrained encoder; on "meta" without weights.

        Of a Photism model or an audio2img checkpoint the adapter is taken over as well, if it fits the prompt space and
        the settings.

        Raises:
            InputError: the encoder does not fit its configuration, or more layers are to be frozen than it has.
        """
        plan, own = self._plan(pretrained), pretrained.prompt_config
        torch.manual_seed(self.settings.seed)
        with torch.device(device):
            model = AudioPromptEncoder.for_space(
                self.space,
                encoder=configure_dropout(pretrained.config, self.settings),
                adapter=plan.adapter,
                adapter_arguments=plan.arguments,
                tokens=plan.tokens,
                num_mel_bins=pretrained.features.num_mel_bins,
                feature_stride=pretrained.features.stride,
                default_diffusion=self.settings.diffusion,
            )
            if own is not None and plan.kept:
                _keep_conventions(model, own)
            window = getattr(model.adapter, "window", 0)
            if model.config.input_tokens is None and self._longest_crop(pretrained) <= window:
                model.config.max_input_tokens = window  # what follows would be new to the encoder
            if device != "meta":
                pretrained.load_into(model.encoder)
                _load_parts(model, pretrained, plan.kept)
            model.encoder = prepare_encoder(model.encoder, self.settings)
        return model

    def start_line(self, pretrained: PretrainedEncoder) -> str:
        """Return whether the training continues the checkpoint's own adapter, and if not, why."""
        plan = self._plan(pretrained)
        return pretrained.start_line(kept=plan.kept, reason=plan.obstacle)

    def _plan(self, pretrained: PretrainedEncoder) -> _Plan:
        """Return which adapter the model has, and what of the checkpoint it continues."""
        settings, space, own = self.settings, self.space, pretrained.prompt_config
        adapter = settings.adapter or (own.adapter if own and own.adapter in TRAINABLE_ADAPTERS else DEFAULT_ADAPTER)
        tokens = settings.tokens or (own.tokens if own and own.tokens < space.length else space.length - 1)
        arguments = dict(own.adapter_arguments) if own and own.adapter == adapter else {}
        plan = _Plan(adapter, {**arguments, **self._conv_arguments(adapter)}, tokens)
        if own is None:
            return plan
        obstacle = None
        if own.adapter not in TRAINABLE_ADAPTERS:
            obstacle = f"a {own.adapter} adapter is trained by a recipe of its own"
        elif own.adapter != adapter:
            obstacle = f"it is a {own.adapter} adapter, not a {adapter} one"
        elif own.space_width != space.width:
            obstacle = f"it produces prompts of width {own.space_width}, and {settings.diffusion} takes {space.width}"
        elif own.tokens != tokens and adapter != "conv":  # whose weights are the same for any number of tokens
            obstacle = f"it produces {own.tokens} tokens, not {tokens}"
        elif {**CONV_DEFAULTS, **arguments} != {**CONV_DEFAULTS, **plan.arguments}:
            obstacle = "its layers have another shape"
        kept = [] if obstacle else [ADAPTER] if own.space_pooled_width != space.pooled_width else [ADAPTER, PROJECTION]
        return replace(plan, kept=kept, obstacle=obstacle)

    def _longest_crop(self, pretrained: PretrainedEncoder) -> int:
        """Return the largest number of encoder inputs in a training crop."""
        return int(self.settings.max_duration_s * pretrained.features.tokens_per_s)

    def _conv_arguments(self, adapter: str) -> dict[str, int]:
        """Return the shape of a convolutional adapter, as far as the settings state it.

        Raises:
            SettingError: they do, and the adapter is another one.
        """
        found: dict[str, int] = {}
        for argument, name in CONV_SETTINGS.items():
            value: int | None = getattr(self.settings, name)
            if value is not None:
                if adapter != "conv":
                    raise SettingError(name, f"must not be set for the {adapter} adapter; got {value}")
                found[argument] = value
        return found

    def min_tokens(self, model: AudioPromptEncoder) -> int:
        """Return the window of a convolutional adapter, or the number of queries of a resampler."""
        return int(getattr(model.adapter, "window", model.config.tokens))

    def max_tokens(self, model: AudioPromptEncoder) -> int | None:
        """Return the largest length of the input, if the model has one."""
        return model.config.input_tokens or model.config.max_input_tokens

    def save(self, model: AudioPromptEncoder, folder: Path, pretrained: PretrainedEncoder) -> None:
        """Save the model, with LoRA merged."""
        model.encoder = merge_lora(model.encoder)
        model.save_pretrained(folder)


@dataclass(frozen=True)
class _Plan:
    """Adapter of a model.

    Attributes:
        adapter: name of the adapter.
        arguments: keyword arguments of its class.
        tokens: number of its tokens.
        kept: parts of the checkpoint, besides the encoder, whose weights it has.
        obstacle: why it does not have those of the checkpoint's own adapter, if that is one for prompts.
    """

    adapter: str
    arguments: Mapping[str, Any]
    tokens: int
    kept: Sequence[str] = ()
    obstacle: str | None = None


def choose_diffusion(settings: AlignSettings, pretrained: PretrainedEncoder) -> AlignSettings:
    """Return settings that name the diffusion pipeline, a folder by its absolute path, as the trained model keeps it.

    By default it is the one of the model to start from.
    """
    own = pretrained.prompt_config.default_diffusion if pretrained.prompt_config else None
    chosen = settings.diffusion or str(pretrained.diffusion or own or DEFAULT_DIFFUSION)
    return replace(settings, diffusion=str(Path(chosen).resolve()) if Path(chosen).is_dir() else chosen)


def _keep_conventions(model: AudioPromptEncoder, own: AudioPromptEncoderConfig) -> None:
    """Let a model pad its input, and draw by default, as the one whose adapter it continues."""
    window = getattr(model.adapter, "window", own.input_tokens)
    model.config.input_tokens = None if own.input_tokens is None else window
    model.config.padding_value = own.padding_value
    model.config.default_negative = own.default_negative


def _load_parts(model: AudioPromptEncoder, pretrained: PretrainedEncoder, parts: Sequence[str]) -> None:
    """Copy parts of a Photism model, such as "adapter", into a new one.

    Raises:
        InputError: the checkpoint does not have the weights that its configuration describes.
    """
    weights = pretrained.read_weights() if parts else {}
    for name in parts:
        module: Any = getattr(model, name)
        if module is not None:
            with as_input_error(f"the {name} of {pretrained.name} cannot be loaded"):
                module.load_state_dict(select(weights, f"{name}."))
