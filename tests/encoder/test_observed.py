"""Models whose computation something transforms, replaces or observes, next to transformers' models.

The reference computes its attention explicitly: transformers' default, torch's fused operator, is not differentiable
twice, has no forward mode, and is not counted by FLOP counters.
"""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vjp, vmap
from torch.utils.flop_counter import FlopCounterMode

from tests.encoder.reference import POSITIONS, batch, check_gradients, difference, pair

SHORT, LONG = 17, 260
"""Frames of the tests: fewer and more than those from which oneDNN computes attention."""
TOLERANCE = 1e-4
"""Of a derivative, as a fraction of the largest value of its tensor, or of a thousandth of the largest of all."""
LENGTHS = pytest.mark.parametrize("length", [SHORT, LONG])
EVERY_POSITION = pytest.mark.parametrize("positions", POSITIONS)
LABELS = torch.tensor([1, 2])


def models(positions="relative_key", name="ForSequenceClassification", **changes):
    pair_of_models = pair(name, position_embeddings_type=positions, num_hidden_layers=1, **changes)
    pair_of_models[1].set_attn_implementation("eager")
    return pair_of_models


def parameters(model):
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def loss_with(model, weights, features, labels):
    return functional_call(model, weights, (features,), {"labels": labels}).loss


def assert_close(found, wanted):
    """Compare tensors, or dictionaries of them, that a function returned for ours and for the reference."""
    if isinstance(found, Tensor):
        found, wanted = {"": found}, {"": wanted}
    assert found.keys() == wanted.keys()
    largest = max(float(each.abs().max()) for each in wanted.values())
    for name, value in wanted.items():
        scale = max(float(value.abs().max()), 1e-3 * largest)
        assert found[name].shape == value.shape
        assert float((found[name] - value).abs().max()) <= TOLERANCE * scale, name


@EVERY_POSITION
@LENGTHS
def test_gradients_by_torch_func(positions, length):
    features, _ = batch((length, length))
    found, wanted = (
        grad(lambda weights, model=model: loss_with(model, weights, features, LABELS))(parameters(model))
        for model in models(positions)
    )
    assert_close(found, wanted)


@EVERY_POSITION
def test_gradients_by_torch_func_with_padding(positions):
    features, mask = batch((SHORT, 9))
    found, wanted = (
        vjp(lambda x, model=model: model(x, attention_mask=mask).logits, features)[1](torch.ones(2, 5))[0]
        for model in models(positions)
    )
    assert_close(found, wanted)


@EVERY_POSITION
def test_gradients_of_each_sample(positions):
    features, _ = batch((SHORT, SHORT))
    found, wanted = (
        vmap(
            grad(lambda weights, x, y, model=model: loss_with(model, weights, x[None], y[None])), in_dims=(None, 0, 0)
        )(parameters(model), features, LABELS)
        for model in models(positions)
    )
    assert_close(found, wanted)


def test_gradients_of_each_sample_with_padding():
    """transformers reads the values of the mask, which vmap does not allow."""
    features, mask = batch((SHORT, 9))
    ours, reference = models()

    def loss(model, weights, x, y, m):
        return functional_call(model, weights, (x[None],), {"labels": y[None], "attention_mask": m[None]}).loss

    found = vmap(grad(lambda *sample: loss(ours, *sample)), in_dims=(None, 0, 0, 0))(
        parameters(ours), features, LABELS, mask
    )
    for index, length in enumerate((SHORT, 9)):
        wanted = grad(
            lambda weights, row=index, end=length: loss_with(
                reference, weights, features[row : row + 1, :end], LABELS[row : row + 1]
            )
        )(parameters(reference))
        assert_close({name: value[index] for name, value in found.items()}, wanted)


@EVERY_POSITION
def test_vmap_without_gradients(positions):
    features, _ = batch((LONG, LONG))
    with torch.no_grad():
        found, wanted = (vmap(lambda x, model=model: model(x[None]).logits[0])(features) for model in models(positions))
    assert_close(found, wanted)


@EVERY_POSITION
@LENGTHS
def test_forward_mode(positions, length):
    features, _ = batch((length, length))
    direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(2))
    found, wanted = (
        jvp(lambda x, model=model: model(x).logits, (features,), (direction,))[1] for model in models(positions)
    )
    assert_close(found, wanted)
    ours, _ = models(positions)
    for gradients in (True, False):
        with forward_ad.dual_level(), torch.set_grad_enabled(gradients):
            dual = ours(forward_ad.make_dual(features, direction)).logits
            assert_close(forward_ad.unpack_dual(dual).tangent, wanted)


@EVERY_POSITION
@LENGTHS
def test_gradients_of_gradients(positions, length):
    features, _ = batch((length, length))
    gradients = []
    for model in models(positions):
        inputs = features.clone().requires_grad_()
        (first,) = torch.autograd.grad(model(inputs, labels=LABELS).loss, inputs, create_graph=True)
        first.square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None and p.grad.any()})
    # The softmax does not change with the bias of the keys: what its gradient has are rounding errors.
    assert_close(*({name: g for name, g in each.items() if "linear_k.bias" not in name} for each in gradients))


@EVERY_POSITION
def test_the_linear_layers_are_counted_as_in_transformers(positions):
    features, mask = batch((LONG, LONG))
    counts = []
    for model in models(positions):
        with FlopCounterMode(display=False) as counter:
            model(features, attention_mask=mask, labels=LABELS).loss.backward()
        counts.append({str(name): count for name, count in counter.get_flop_counts()["Global"].items()})
    ours, theirs = counts
    assert ours["aten.addmm"] == theirs["aten.addmm"]
    assert ours["aten.bmm"] > 0
    assert ours["aten.mm"] > 0  # pointwise convolutions, and the projection of "relative"


def test_dynamic_quantization_of_torch():
    features, mask = batch((25, 25))
    outputs = []
    for model in models(name="ForCTC"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantized = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8)
        kinds = [type(module).__module__ for module in quantized.modules()]
        layers = sum(isinstance(module, nn.Linear) for module in model.modules())
        assert sum(kind.startswith("torch.ao.nn.quantized.dynamic") for kind in kinds) == layers
        with torch.no_grad():
            outputs.append(quantized(features, attention_mask=mask).logits)
    assert difference(*outputs) <= 1e-3


def test_dynamic_quantization_of_x_vectors():
    """transformers reads the weights of the time-delay network past the quantised layers."""
    features, mask = batch((25, 25))
    ours, _ = models(name="ForXVector")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(copy.deepcopy(ours), {nn.Linear}, dtype=torch.qint8)
    with torch.no_grad():
        found, wanted = (model(features, attention_mask=mask).embeddings for model in (quantized, ours))
    assert torch.cosine_similarity(found, wanted).min() > 0.99


@pytest.mark.parametrize("length", [25, LONG])
def test_quantization_by_torchao(length):
    quantization = pytest.importorskip("torchao.quantization", reason="needs torchao")
    features, _ = batch((length, length))
    outputs = []
    for model in models(name="ForCTC"):
        quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
        with torch.no_grad():
            outputs.append(model(features).logits)
    assert difference(*outputs) <= 1e-5


class CountedWeight(Tensor):
    """A weight that defines its own product, as torchao's weights do."""

    products = 0

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        if function is not nn.functional.linear:
            return super().__torch_function__(function, types, arguments, keywords)
        cls.products += 1
        with torch._C.DisableTorchFunctionSubclass():
            return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("gradients", [True, False])
def test_weights_of_a_tensor_subclass_are_multiplied_by_their_own_rules(gradients):
    features, _ = batch((SHORT, SHORT))
    ours, _ = models()
    linear_layers = [module for module in ours.base_model.modules() if isinstance(module, nn.Linear)]
    with torch.set_grad_enabled(gradients):
        wanted = ours(features).logits
        for layer in linear_layers:
            layer.weight = nn.Parameter(layer.weight.detach().as_subclass(CountedWeight), requires_grad=gradients)
        CountedWeight.products = 0
        found = ours(features).logits
    assert CountedWeight.products == len(linear_layers)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("gradients", [True, False])
def test_forward_hooks_see_every_state_once(gradients):
    features, _ = batch((LONG, LONG))
    seen = []
    for model in models():
        states = {}
        for name, module in model.named_modules():
            module.register_forward_hook(
                lambda module, inputs, output, name=name, states=states: states.setdefault(name, []).append(output)
            )
        with torch.set_grad_enabled(gradients):
            loss = model(features, labels=LABELS).loss
        if gradients:
            loss.backward()
        seen.append(states)
    ours, theirs = seen
    assert ours.keys() == theirs.keys()
    assert all(len(states) == 1 for states in ours.values())
    for name, (wanted,) in theirs.items():
        if "conv_module" in name or "distance_embedding" in name:  # the axes of their states are in another order
            continue
        found, wanted = (output if isinstance(output, Tensor) else output[0] for output in (ours[name][0], wanted))
        assert difference(found.reshape(wanted.shape), wanted) <= 1e-4, name


def test_global_hooks_see_activations_and_linear_layers():
    ours, _ = models()
    features, _ = batch((SHORT, SHORT))
    seen = []
    hook = torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, output: seen.append(module))
    try:
        ours(features)
    finally:
        hook.remove()
    for layer in (ours.projector, *(m for m in ours.modules() if isinstance(m, nn.Linear | nn.SiLU))):
        assert seen.count(layer) == 1


@LENGTHS
def test_hooks_on_saved_tensors(length):
    features, _ = batch((length, length))
    packed = []

    def pack(tensor):
        packed.append(tensor.shape)
        return tensor.double().mul(2), tensor.dtype

    ours, reference = models()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed[0].div(2).to(packed[1])):
        loss = ours(features, labels=LABELS).loss
    loss.backward()
    reference(features, labels=LABELS).loss.backward()
    assert packed
    check_gradients(ours, reference)
