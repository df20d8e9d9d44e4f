"""oneDNN compared with torch's own operators."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from photism.encoder.onednn import Linear, can_use_onednn, linear, silu_linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(12,), (7, 12), (2, 3, 12), (1, 12), (0, 12)])
def test_a_linear_layer_and_its_gradients(shape, bias):
    torch.manual_seed(0)
    layer = Linear(12, 5, bias=bias)
    parameters = list(layer.parameters())
    input = torch.randn(shape, requires_grad=True)
    found = layer(input)
    wanted = functional.linear(input, *parameters)
    torch.testing.assert_close(found, wanted)
    gradient = torch.randn_like(wanted)
    for ours, torchs in zip(
        torch.autograd.grad(found, [input, *parameters], gradient),
        torch.autograd.grad(wanted, [input, *parameters], gradient),
        strict=True,
    ):
        torch.testing.assert_close(ours, torchs)


def test_silu_and_a_linear_layer_keep_only_the_input():
    torch.manual_seed(0)
    layer, input = Linear(12, 5), torch.randn(2, 3, 12, requires_grad=True)
    wanted = functional.linear(functional.silu(input), layer.weight, layer.bias)
    gradient = torch.randn_like(wanted)
    variables = [input, *layer.parameters()]
    expected = torch.autograd.grad(wanted, variables, gradient)
    found = silu_linear(input, layer)
    kept = [tensor.shape for tensor in found.grad_fn.saved_tensors]
    assert kept == [input.shape, layer.weight.shape]
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(torch.autograd.grad(found, variables, gradient), expected)


def test_hooks_and_a_replaced_forward_are_called():
    layer, input = Linear(12, 5), torch.randn(3, 12, requires_grad=True)
    layer.register_forward_hook(lambda module, inputs, output: output * 0)
    assert not silu_linear(input, layer).any()
    layer = Linear(12, 5)
    layer.forward = lambda input: input * 0
    assert not silu_linear(input, layer).any()


def test_inputs_that_are_not_contiguous():
    torch.manual_seed(0)
    weight = torch.randn(5, 12)
    for input in (torch.randn(12, 7).T, torch.randn(1, 12).expand(7, 12), torch.randn(7, 24)[:, ::2]):
        torch.testing.assert_close(linear(input, weight), input @ weight.T)


def test_second_derivatives():
    torch.manual_seed(0)
    weight = torch.randn(5, 12, requires_grad=True)
    found, wanted = (
        torch.autograd.grad(multiply(input, weight).square().sum(), input, create_graph=True)[0].square().sum()
        for multiply in (linear, functional.linear)
        for input in (torch.ones(3, 12, requires_grad=True),)
    )
    found, wanted = (torch.autograd.grad(each, weight)[0] for each in (found, wanted))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()))


def test_other_dtypes_devices_and_autocast_use_torch():
    assert not can_use_onednn(torch.zeros(1, dtype=torch.float64))
    assert not can_use_onednn(torch.zeros(1, device="meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_use_onednn(torch.zeros(1))
        assert Linear(12, 5)(torch.zeros(1, 12)).dtype == torch.bfloat16
    with torch.backends.mkldnn.flags(enabled=False):
        assert not can_use_onednn(torch.zeros(1))


def test_observed_products_and_tensor_subclasses_use_torch():
    class Subclass(torch.Tensor):
        pass

    plain = torch.zeros(1)
    assert can_use_onednn(plain, torch.nn.Parameter(plain), None)
    assert not can_use_onednn(plain, plain.as_subclass(Subclass))
    with torch.overrides.BaseTorchFunctionMode():
        assert not can_use_onednn(plain)
    with FlopCounterMode(display=False):
        assert not can_use_onednn(plain)
    with forward_ad.dual_level():
        assert not can_use_onednn(plain)
    assert torch.func.vmap(lambda x: x + (not can_use_onednn(x)))(torch.zeros(2)).equal(torch.ones(2))
    assert can_use_onednn(plain)
