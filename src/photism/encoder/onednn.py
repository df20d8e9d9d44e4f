"""Matrix products in float32 on the CPU with oneDNN.

torch uses MKL for them, which is optimised for Intel's CPUs: on the AMD EPYC of benchmarks/README.md oneDNN is twice as
fast. torch includes oneDNN for bfloat16 and for its compiler, whose operator is called here. On another device, in
another dtype, under autocast, and while a computation is traced, transformed or observed, the functions of this module
call torch's own operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from photism.encoder.kernels import TORCH, current_kernels
from photism.encoder.module_copy import shallow_copy
from photism.encoder.tracing import has_hooks, has_modes, is_transformed

PLAIN_TENSORS = (Tensor, nn.Parameter)


def can_use_onednn(*tensors: Tensor | None) -> bool:
    """Return whether oneDNN can multiply tensors in the current context.

    It cannot multiply those of subclasses, such as torchao's, which define their own product. Transforms of
    `torch.func` and modes, such as FLOP counters, know the products of torch only.
    """
    return (
        all(map(_is_plain_float32, tensors))
        and _OPERATOR is not None
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled("cpu")
        and not is_transformed()
        and not has_modes()
    )


def _is_plain_float32(tensor: Tensor | None) -> bool:
    return tensor is None or (type(tensor) in PLAIN_TENSORS and tensor.is_cpu and tensor.dtype == torch.float32)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute `torch.nn.functional.linear`: (…, in), a weight (out, in) and a bias (out,) -> (…, out)."""
    if current_kernels().products == TORCH or not can_use_onednn(input, weight, bias) or 0 in input.shape:
        return nn.functional.linear(input, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(input, weight, bias)
    return linear_no_grad(input, weight, bias)


def apply_linear(layer: nn.Module, input: Tensor) -> Tensor:
    """Apply a linear layer with oneDNN: (…, in) -> (…, out).

    The layer is an ordinary `torch.nn.Linear`, which tools that quantise or wrap a model look for. One that they have
    replaced, or that has hooks, is called as a module.
    """
    return linear(input, layer.weight, layer.bias) if _is_plain(layer) else layer(input)


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Return whether a layer is a linear one without hooks or a replaced `forward`, as LoRA or offloading add them."""
    return type(layer) in (nn.Linear, Linear) and "forward" not in vars(layer) and not has_hooks(layer)


def linear_no_grad(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute `linear` with oneDNN and without gradients; `can_use_onednn` must hold for the input."""
    return _OPERATOR(input, weight, bias, "none", [], "")


class Linear(nn.Linear):
    """A linear layer that is computed with oneDNN, for models of other libraries."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer: (…, in) -> (…, out)."""
        return linear(input, self.weight, self.bias)


def onednn_linear(module: nn.Module) -> Linear | None:
    """Return a layer that computes with oneDNN and has the tensors of a `torch.nn.Linear`; None for other modules."""
    return shallow_copy(module, Linear) if type(module) is nn.Linear else None


def silu_linear(input: Tensor, layer: nn.Module) -> Tensor:
    """Apply a linear layer to silu(input), and keep only the input for the gradients: (…, in) -> (…, out).

    torch also keeps silu(input), which is as large; here it is recomputed. A layer with hooks, LoRA or offloading is
    called as a module.
    """
    if not _is_plain(layer):
        return layer(nn.functional.silu(input))
    if not torch.is_grad_enabled() or not can_use_onednn(input, layer.weight, layer.bias):
        return linear(nn.functional.silu(input), layer.weight, layer.bias)
    return _SiluLinear.apply(input, layer.weight, layer.bias)


def attend(query: Tensor, key: Tensor, value: Tensor, biases: Sequence[Tensor] = ()) -> Tensor:
    """Compute softmax(query · keyᵀ + bias) · value for one head; `can_use_onednn` must hold for the query.

    Args:
        query: (M, d), scaled.
        key: (L, d).
        value: (L, d).
        biases: bias (M, L) in parts along its second axis, or nothing.

    Returns:
        (M, d).
    """
    if torch.is_grad_enabled():
        return _Attend.apply(query, key, value, *biases)
    return linear_no_grad(_weights(query, key, biases), value.T)


def _weights(query: Tensor, key: Tensor, biases: Sequence[Tensor]) -> Tensor:
    logits = linear_no_grad(query, key)
    if biases:
        parts = logits.split([bias.shape[1] for bias in biases], dim=1)
        for part, bias in zip(parts, biases, strict=True):
            part += bias
    return torch.softmax(logits, dim=-1, out=logits)


def _attend_by_torch(query: Tensor, key: Tensor, value: Tensor, *biases: Tensor) -> Tensor:
    """Compute `attend` with operators that can be differentiated any number of times."""
    logits = query @ key.T
    if biases:
        logits = logits + torch.cat(biases, dim=1)
    return logits.softmax(-1) @ value


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, *biases: Tensor) -> Tensor:
        weights = _weights(query, key, biases)
        output = linear_no_grad(weights, value.T)
        ctx.save_for_backward(query, key, value, weights, output, *biases)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = gradients
        query, key, value, weights, output, *biases = ctx.saved_tensors
        if torch.is_grad_enabled():  # for gradients of gradients
            inputs = (query, key, value, *biases)
            variables = [each for each, needed in zip(inputs, ctx.needs_input_grad, strict=True) if needed]
            found = iter(torch.autograd.grad(_attend_by_torch(*inputs), variables, gradient, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        for_value = _transposed_product(weights, gradient)
        # Softmax: each weight times the difference between its gradient and the weighted mean of the gradients.
        for_logits = linear_no_grad(gradient, value)
        for_logits -= (gradient * output).sum(1, keepdim=True)
        for_logits *= weights
        for_biases = for_logits.split([bias.shape[1] for bias in biases], dim=1) if biases else ()
        for_key = _transposed_product(for_logits, query)
        return linear_no_grad(for_logits, key.T), for_key, for_value, *for_biases


def _transposed_product(left: Tensor, right: Tensor) -> Tensor:
    """Compute leftᵀ · right, for which oneDNN copies both: (M, L), (M, d) -> (L, d)."""
    return left.T @ right if current_kernels().products == TORCH else linear_no_grad(left.T, right.T)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return linear_no_grad(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        return _linear_gradients(gradients[0], input, weight, ctx.needs_input_grad)


class _SiluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return linear(nn.functional.silu(input), weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        # One wide tensor after the other, not three at once: a training step needs the most memory here.
        activated = nn.functional.silu(input)
        _, for_weight, for_bias = _linear_gradients(gradients[0], activated, weight, (False, *ctx.needs_input_grad[1:]))
        del activated
        if not ctx.needs_input_grad[0]:
            return None, for_weight, for_bias
        for_input = linear(gradients[0], weight.T)
        if torch.is_grad_enabled():  # for gradients of gradients
            sigmoid = input.sigmoid()
            return for_input * sigmoid * (1 + input * (1 - sigmoid)), for_weight, for_bias
        return torch.ops.aten.silu_backward.grad_input(for_input, input, grad_input=for_input), for_weight, for_bias


def _linear_gradients(
    gradient: Tensor, input: Tensor, weight: Tensor, needed: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients for the input (…, in), the weight (out, in) and the bias (out,) that are needed."""
    by_token = gradient.reshape(-1, gradient.shape[-1])  # (…, out) -> (N, out)
    return (
        linear(gradient, weight.T) if needed[0] else None,
        linear(by_token.T, input.reshape(-1, input.shape[-1]).T) if needed[1] else None,
        by_token.sum(0) if needed[2] else None,
    )


_OPERATOR: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
