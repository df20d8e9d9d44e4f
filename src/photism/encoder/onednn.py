"""Matrix products in float32 on a processor, by oneDNN.

torch takes MKL for them, which knows Intel's processors best: on the AMD EPYC that was measured (benchmarks/README.md),
oneDNN is twice as fast. It comes with torch, where it serves bfloat16 and the compiler, whose operator is called here.
On another device, in another dtype, under autocast or while a graph is traced, the products are torch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from photism.encoder.module_copy import shallow_copy


def has_onednn(tensor: Tensor) -> bool:
    """Whether oneDNN multiplies this one here and now."""
    return (
        tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
        and _OPERATOR is not None
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(…, in) times the transpose of (out, in), and the bias (out,) added -> (…, out)."""
    if not has_onednn(input) or weight.dtype != input.dtype or 0 in input.shape:
        return nn.functional.linear(input, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(input, weight, bias)
    return product(input, weight, bias)


def product(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same by oneDNN, where `has_onednn`, without gradients."""
    return _OPERATOR(input, weight, bias, "none", [], "")


class Linear(nn.Linear):
    """A linear layer by oneDNN."""

    def forward(self, input: Tensor) -> Tensor:
        """(…, in) -> (…, out)."""
        return linear(input, self.weight, self.bias)

    def is_bare(self) -> bool:
        """Whether nothing has been put around it: LoRA, hooks, or what fetches its weights from another device."""
        return type(self) is Linear and not ("forward" in vars(self) or self._forward_hooks or self._forward_pre_hooks)


def onednn_linear(module: nn.Module) -> Linear | None:
    """Return a layer by oneDNN with the tensors of a linear layer of torch, or None for any other module."""
    return shallow_copy(module, Linear) if type(module) is nn.Linear else None


def silu_linear(input: Tensor, layer: nn.Module) -> Tensor:
    """A linear layer of silu(input), (…, in) -> (…, out), that keeps only the input for its gradients.

    torch keeps silu(input) too, which is as large; here it is computed again. A layer that something has been put
    around is called as it is.
    """
    bare = isinstance(layer, Linear) and layer.is_bare()
    if not bare or not torch.is_grad_enabled() or not has_onednn(input) or layer.weight.dtype != input.dtype:
        return layer(nn.functional.silu(input))
    return _SiluLinear.apply(input, layer.weight, layer.bias)


def attend(query: Tensor, key: Tensor, value: Tensor, biases: Sequence[Tensor] = ()) -> Tensor:
    """softmax(query · keyᵀ + bias) · value of one head, where `has_onednn`: (M, d) and 2 × (L, d) -> (M, d).

    `biases` (M, …) lie side by side, L together, or there are none.
    """
    if torch.is_grad_enabled():
        return _Attend.apply(query, key, value, *biases)
    return product(_weights(query, key, biases), value.T)


def _weights(query: Tensor, key: Tensor, biases: Sequence[Tensor]) -> Tensor:
    logits = product(query, key)
    if biases:
        parts = logits.split([bias.shape[1] for bias in biases], dim=1)
        for part, bias in zip(parts, biases, strict=True):
            part += bias
    return torch.softmax(logits, dim=-1, out=logits)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, *biases: Tensor) -> Tensor:
        weights = _weights(query, key, biases)
        attended = product(weights, value.T)
        ctx.save_for_backward(query, key, value, weights, attended)
        ctx.widths = [bias.shape[1] for bias in biases]
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = gradients
        query, key, value, weights, attended = ctx.saved_tensors
        for_value = product(weights.T, gradient.T)
        # Through the softmax: its weights times what each logit would gain above their mean.
        for_logits = product(gradient, value)
        for_logits -= (gradient * attended).sum(1, keepdim=True)
        for_logits *= weights
        for_biases = for_logits.split(ctx.widths, dim=1) if ctx.widths else ()
        return product(for_logits, key.T), product(for_logits.T, query.T), for_value, *for_biases


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return product(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        return _linear_gradients(gradients[0], input, weight, ctx.needs_input_grad)


class _SiluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return product(nn.functional.silu(input), weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        # One wide tensor after the other, not three at once: here a training step needs the most memory.
        activated = nn.functional.silu(input)
        _, for_weight, for_bias = _linear_gradients(gradients[0], activated, weight, (False, *ctx.needs_input_grad[1:]))
        del activated
        if not ctx.needs_input_grad[0]:
            return None, for_weight, for_bias
        for_input = linear(gradients[0], weight.T)
        if torch.is_grad_enabled():  # for gradients of gradients
            return torch.ops.aten.silu_backward(for_input, input), for_weight, for_bias
        return torch.ops.aten.silu_backward.grad_input(for_input, input, grad_input=for_input), for_weight, for_bias


def _linear_gradients(
    gradient: Tensor, input: Tensor, weight: Tensor, needed: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """For the input (…, in), the weight (out, in) and the bias (out,), where they are needed."""
    by_token = gradient.reshape(-1, gradient.shape[-1])  # (…, out) -> (N, out)
    return (
        linear(gradient, weight.T) if needed[0] else None,
        linear(by_token.T, input.reshape(-1, input.shape[-1]).T) if needed[1] else None,
        by_token.sum(0) if needed[2] else None,
    )


_OPERATOR: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
