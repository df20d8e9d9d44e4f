"""Wav2Vec2-BERT (https://arxiv.org/abs/2312.05187), compatible with the checkpoints of transformers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Wav2Vec2BertConfig, initialization
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.integrations.fsdp import is_fsdp_managed_module
from transformers.modeling_outputs import Wav2Vec2BaseModelOutput

from photism.encoder.adapter import Adapter, Lengths, output_lengths
from photism.encoder.attention import SelfAttention
from photism.encoder.conformer import ConformerLayer, FeedForward
from photism.encoder.onednn import apply_linear
from photism.encoder.packing import PackedBatch
from photism.encoder.position_embeddings import compute_positions
from photism.encoder.precision import choose_precision, with_precision
from photism.encoder.spec_augment import mask_hidden_states
from photism.errors import InputError
from photism.files import apply_umask
from photism.locks import loading_lock

OnState = Callable[[Tensor], None]
"""Called with the states (B, F, D) that enter the first layer, then with those that leave each layer."""


class FeatureProjection(nn.Module):
    """Normalisation of log-mel tokens, and their projection to the encoder's width."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.feature_projection_input_dim, eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.feature_projection_input_dim, config.hidden_size)
        self.dropout = nn.Dropout(config.feat_proj_dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return states (N, D) and the normalised features for features (N, num_mel_bins * stride)."""
        normed = self.layer_norm(features)
        return self.dropout(apply_linear(self.projection, normed)), normed


class Encoder(nn.Module):
    """The Conformer layers."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self,
        hidden_states: Tensor,
        packed: PackedBatch,
        *,
        on_state: OnState | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """Return states (N, D), and the layers' attention weights (B, H, F, F) if `output_attentions`."""
        positions = compute_positions(self.config, packed, hidden_states)
        hidden_states = self.dropout(hidden_states)
        attentions: list[Tensor] = []
        hidden_states = _emit(hidden_states, packed, on_state)
        for layer in self.layers:
            # https://arxiv.org/abs/1909.11556
            dropped = self.training and self.config.layerdrop > 0 and float(torch.rand([])) < self.config.layerdrop
            if not dropped or _runs_all(self):
                states, weights = layer(hidden_states, packed, positions, output_attentions)
                hidden_states = hidden_states if dropped else states
                if weights is not None:
                    attentions.append(weights)
            hidden_states = _emit(hidden_states, packed, on_state)
        return hidden_states, tuple(attentions) if output_attentions else None


def _runs_all(encoder: Encoder) -> bool:
    """Return whether dropped layers run nevertheless: with sharded weights, every rank must run every layer."""
    return is_deepspeed_zero3_enabled() or is_fsdp_managed_module(encoder)


class Wav2Vec2BertPreTrainedModel(PreTrainedModel):
    """Base class: initial weights, and what transformers, accelerate and PEFT need to know of the models."""

    config_class = Wav2Vec2BertConfig
    base_model_prefix = "wav2vec2_bert"
    main_input_name = "input_features"
    input_modalities = "audio"
    supports_gradient_checkpointing = True
    # Requests for these are accepted; attention is computed by Photism's own code, with the same result.
    _supports_sdpa = True
    _supports_flex_attn = True
    _no_split_modules = ["ConformerLayer"]  # noqa: RUF012 (as transformers declares it)

    @property
    def accepts_loss_kwargs(self) -> bool:
        """True if Trainer must add up the losses of accumulated batches; False, since it must average means."""
        return False

    def get_correct_attn_implementation(self, requested_attention: str | None, is_init_check: bool = False) -> str:
        """Return the name of the attention implementation, by default "eager".

        With another name transformers refuses `config.output_attentions = True`, which works here.
        """
        return super().get_correct_attn_implementation(requested_attention or "eager", is_init_check)

    @classmethod
    def from_pretrained(cls, *args: Any, precision: str = "float32", int8: bool = False, **kwargs: Any) -> Any:
        """Load a checkpoint as transformers does.

        Args:
            *args: positional arguments of transformers' `from_pretrained`.
            precision: "bf16" or "int8" to compute linear layers in it, for inference on the CPU.
            int8: short for `precision="int8"`.
            **kwargs: keyword arguments of transformers' `from_pretrained`.

        Raises:
            SettingError: there is no such precision, or it needs another device or dtype.
        """
        chosen_precision = choose_precision(precision, int8=int8)
        with loading_lock:
            loaded = super().from_pretrained(*args, **kwargs)
        model, *information = loaded if isinstance(loaded, tuple) else (loaded,)
        if model.device.type == "cpu" and model.dtype == torch.float32:
            from photism.encoder.kernel_choice import choose_kernels

            choose_kernels(cast("Wav2Vec2BertConfig", model.config))
        model = with_precision(model, chosen_precision)
        return (model, *information) if information else model

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Save the model as transformers does; its files are readable by others as the umask allows."""
        super().save_pretrained(save_directory, *args, **kwargs)
        apply_umask(Path(save_directory).glob("*.safetensors"))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SelfAttention) and module.position_embeddings_type == "relative":
            initialization.xavier_uniform_(module.pos_bias_u)
            initialization.xavier_uniform_(module.pos_bias_v)
        elif isinstance(module, FeatureProjection):
            bound = math.sqrt(1 / module.projection.in_features)
            initialization.uniform_(module.projection.weight, a=-bound, b=bound)
            initialization.uniform_(module.projection.bias, a=-bound, b=bound)
        elif isinstance(module, nn.Conv1d):
            initialization.kaiming_normal_(module.weight)
            if module.bias is not None:
                bound = math.sqrt(module.groups / (module.in_channels * module.kernel_size[0]))
                initialization.uniform_(module.bias, a=-bound, b=bound)
        elif isinstance(module, Wav2Vec2BertModel) and module.masked_spec_embed is not None:
            initialization.uniform_(module.masked_spec_embed)
        elif getattr(module, "layer_weights", None) is not None:  # of a head that reads all layers
            weights = cast("nn.Parameter", module.layer_weights)
            initialization.constant_(weights, 1 / len(weights))

    def _get_feat_extract_output_lengths(self, input_lengths: Lengths, add_adapter: bool | None = None) -> Lengths:
        """Return how many frames the encoder returns for input frames: a number, or int64 (B,).

        The name is that of transformers, whose encoder-decoder models and users call it.

        Args:
            input_lengths: a number, or int64 (B,).
            add_adapter: count the adapter's strides; by default, if the model has an adapter.
        """
        config = cast("Wav2Vec2BertConfig", self.config)
        with_adapter = config.add_adapter if add_adapter is None else add_adapter
        return output_lengths(input_lengths, config) if with_adapter else input_lengths

    def _get_feature_vector_attention_mask(
        self, feature_vector_length: int, attention_mask: Tensor, add_adapter: bool | None = None
    ) -> Tensor:
        """Return the mask of the encoder's output, bool (B, feature_vector_length).

        The name is that of transformers, whose encoder-decoder models call it.

        Args:
            feature_vector_length: frames of the output.
            attention_mask: (B, F), mask of the input.
            add_adapter: count the adapter's strides; by default, if the model has an adapter.
        """
        lengths = self._get_feat_extract_output_lengths(attention_mask.bool().sum(1), add_adapter)
        return torch.arange(feature_vector_length, device=lengths.device) < lengths[:, None]


class Wav2Vec2BertModel(Wav2Vec2BertPreTrainedModel):
    """The encoder, with the configuration and the checkpoints of transformers.

    The states of a clip do not depend on the other clips of its batch. Padding does not change them and costs nothing.
    Attention takes memory linear in the length.

    Args:
        config: configuration, as transformers' class of this name takes it.
    """

    masked_spec_embed: nn.Parameter | None

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        self.feature_projection = FeatureProjection(config)
        masks = config.mask_time_prob > 0 or config.mask_feature_prob > 0
        self.masked_spec_embed = nn.Parameter(torch.empty(config.hidden_size).uniform_()) if masks else None
        self.encoder = Encoder(config)
        self.intermediate_ffn = None
        if config.use_intermediate_ffn_before_adapter:
            self.intermediate_ffn = FeedForward(config, width=config.hidden_size, activation="relu")
        self.adapter = Adapter(config) if config.add_adapter else None
        self.post_init()

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        return_dict: bool | None = None,
        *,
        on_state: OnState | None = None,
        **kwargs: Any,
    ) -> Wav2Vec2BaseModelOutput | tuple[Any, ...]:
        """Encode log-mel tokens.

        Args:
            input_features: (B, F, feature_projection_input_dim), as `log_mel` returns them.
            attention_mask: (B, F), 1 for a token and 0 for padding. Padding costs nothing unless it separates the
                tokens of a clip, or is all of it; then the batch is computed with its padding, and a warning is given.
            mask_time_indices: bool (B, F), tokens to mask, in evaluation too; by default SpecAugment's, in training.
            output_attentions: return the weights (B, H, F, F) of each layer that ran, in memory quadratic in F.
            output_hidden_states: return the states that enter the first layer and those that leave each layer; an index
                or several, counted from the end if negative, for these only, with None in place of the others.
            return_dict: False for a tuple.
            on_state: called with each of these states in turn, without keeping them.
            **kwargs: ignored, as in transformers.

        Returns:
            `last_hidden_state` (B, F, D), or shorter with an adapter; zero at padding. With an adapter each clip begins
            at the first frame.
            `extract_features` (B, F, feature_projection_input_dim), the normalised input.

        Raises:
            InputError: a shape is wrong.
        """
        config = self.config
        if input_features.ndim != 3 or input_features.shape[2] != config.feature_projection_input_dim:
            raise InputError(
                f"input_features must be (B, F, {config.feature_projection_input_dim}); got "
                f"{tuple(input_features.shape)}"
            )
        batch, frames, _ = input_features.shape
        weights = is_set(output_attentions, config.output_attentions)
        packed = PackedBatch.from_mask(batch, frames, attention_mask, keep_padding=weights)
        hidden_states, normed = self.feature_projection(packed.pack(input_features))
        hidden_states = mask_hidden_states(
            hidden_states, packed, mask_time_indices, self.masked_spec_embed, config, training=self.training
        )

        kept: list[Tensor | None] = []
        request = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        keep = _selected_states(request, config.num_hidden_layers + 1)

        def on_each(states: Tensor) -> None:
            """Keep the states if they are returned, and pass them on."""
            kept.append(states if len(kept) in keep else None)
            if on_state:
                on_state(states)

        hidden_states, attentions = self.encoder(
            hidden_states,
            packed,
            on_state=on_each if request or on_state else None,
            output_attentions=weights,
        )
        if self.intermediate_ffn is not None:
            hidden_states = torch.add(hidden_states, self.intermediate_ffn(hidden_states), alpha=0.5)
        last_hidden_state = packed.unpack(hidden_states)
        if self.adapter is not None:
            padded = packed.lengths is not None or packed.mask is not None
            last_hidden_state = self.adapter(last_hidden_state, attention_mask if padded else None)
        output = Wav2Vec2BaseModelOutput(
            last_hidden_state=last_hidden_state,
            extract_features=packed.unpack(normed),
            hidden_states=cast("tuple[Tensor, ...]", tuple(kept)) if request else None,
            attentions=attentions,
        )
        return output if is_set(return_dict, config.return_dict) else output.to_tuple()


def is_set(argument: bool | None, default: bool | None) -> bool:
    """Return a flag of a call if it is given, or else that of the configuration."""
    return bool(default if argument is None else argument)


def _emit(hidden_states: Tensor, packed: PackedBatch, on_state: OnState | None) -> Tensor:
    """Pass the states (N, D) of a layer to `on_state` as (B, F, D), and return what the next layer computes from.

    That is read from the tensor that was passed, so that it has a gradient.
    """
    if on_state is None:
        return hidden_states
    states = packed.unpack(hidden_states)
    on_state(states)
    return packed.pack(states)


def _selected_states(request: bool | int | Sequence[int] | None, number: int) -> set[int]:
    """Return the indices of the states to keep, of `number` states; indices out of range select nothing."""
    if isinstance(request, bool) or request is None:
        return set(range(number)) if request else set()
    indices = [request] if isinstance(request, int) else request
    return {index % number for index in indices if -number <= index < number}
