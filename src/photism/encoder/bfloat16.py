"""Feed-forward networks and attention in bfloat16 on the CPU, with states in float32.

CPUs with AVX-512 BF16 or AMX multiply bfloat16 several times as fast as float32. oneDNN adds up the products in
float32, from weights that are converted and packed once. Each layer rounds its input and output; the sums of residual
connections, normalisations, convolution modules, the projection of the features and heads stay in float32: with an
eighth of the products, these would cause most of the error.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from photism.encoder.attention import AttentionOutput, SelfAttention
from photism.encoder.conformer import FeedForward
from photism.encoder.module_copy import Module, copy_modules, shallow_copy
from photism.encoder.packing import PackedBatch
from photism.encoder.position_embeddings import Positions


def multiplies_bfloat16() -> bool:
    """Return whether this machine's CPU has instructions for products of bfloat16, and torch uses them."""
    capabilities = torch.cpu.get_capabilities()
    has_products = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return has_products and torch.backends.mkldnn.is_available()


class BFloat16Linear(nn.Module):
    """A linear layer with weights (out, in) in bfloat16, packed for oneDNN, without gradients.

    Its output has the dtype of its input.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._pack(weight.detach().bfloat16())
        self.register_buffer("bias", None if bias is None else bias.detach().bfloat16())

    def forward(self, input: Tensor, activation: str = "none") -> Tensor:
        """Apply the layer, and an activation that oneDNN has: (…, in) -> (…, out)."""
        output = torch.ops.mkldnn._linear_pointwise(input.bfloat16(), self.packed_weight, self.bias, activation, [], "")
        return output.to(input.dtype)

    def _pack(self, weight: Tensor) -> None:
        # Not a buffer: what torch does with all buffers of a model, it cannot do with a packed tensor.
        self.packed_weight: Any = torch.ops.mkldnn._reorder_linear_weight(weight)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle is made of: a packed tensor cannot be either."""
        return vars(self) | {"packed_weight": self.packed_weight.to_dense()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        super().__setstate__(state)
        self._pack(self.packed_weight)


class BFloat16FeedForward(FeedForward):
    """A feed-forward network whose wide middle is in bfloat16 too."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Apply the network: (…, width) -> (…, width)."""
        return super().forward(hidden_states.bfloat16()).to(hidden_states.dtype)

    def _apply_to(self, hidden_states: Tensor) -> Tensor:
        dense = self.intermediate_dense
        if self.training or not isinstance(self.intermediate_act_fn, nn.SiLU) or not isinstance(dense, BFloat16Linear):
            return super()._apply_to(hidden_states)
        return self.output_dense(dense(hidden_states, "swish"))  # not rounded before the activation


class BFloat16SelfAttention(SelfAttention):
    """Self-attention whose queries, keys, values and position biases are in bfloat16."""

    def forward(
        self, hidden_states: Tensor, packed: PackedBatch, positions: Positions | None, *, output_weights: bool = False
    ) -> AttentionOutput:
        """Return states (N, D) for tokens (N, D), and the weights (B, H, F, F) if `output_weights`."""
        positions = positions and Positions(positions.sinusoids.bfloat16())
        output = super().forward(hidden_states.bfloat16(), packed, positions, output_weights=output_weights)
        weights = None if output.weights is None else output.weights.to(hidden_states.dtype)
        return AttentionOutput(output.hidden_states.to(hidden_states.dtype), weights)


def convert_to_bfloat16(model: Module) -> Module:
    """Return a copy of a model that computes the linear layers and the attention of its stacked layers in bfloat16.

    The copy shares all other tensors with the model, which is not changed.
    """
    return copy_modules(
        model, lambda module: copy_modules(module, _converted) if isinstance(module, nn.ModuleList) else None
    )


def _converted(module: nn.Module) -> nn.Module | None:
    if isinstance(module, nn.Linear):
        return BFloat16Linear(module.weight, module.bias)
    if type(module) is FeedForward:
        return copy_modules(shallow_copy(module, BFloat16FeedForward), _converted)
    if type(module) is SelfAttention:
        attention = shallow_copy(module, BFloat16SelfAttention)
        for name, parameter in module.named_parameters(recurse=False):
            setattr(attention, name, nn.Parameter(parameter.detach().bfloat16(), requires_grad=False))
        return copy_modules(attention, _converted)
    return None
