"""A copy of a model's modules can be changed, and the model stays as it is."""

import torch
from torch import nn

from photism.encoder.module_copy import copy_modules
from photism.encoder.onednn import Linear, onednn_linear


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.norm = nn.BatchNorm1d(4)
        self.nothing = None
        self.empty = nn.ModuleList()
        self.cached = None

    def forward(self, input):
        self.cached = input
        return self.norm(self.again(self.first(input)))


def test_a_copy_computes_the_same_and_shares_all_tensors():
    model = Network().eval()
    copy = copy_modules(model)
    tensors, copied = model.state_dict(keep_vars=True), copy.state_dict(keep_vars=True)
    assert list(tensors) == list(copied)
    assert all(tensor is copied[name] for name, tensor in tensors.items())
    input = torch.randn(3, 4)
    assert torch.equal(copy(input), model(input))
    assert not copy.training
    assert {type(module) for module in copy.modules()} == {type(module) for module in model.modules()}


def test_what_is_replaced_or_assigned_in_the_copy_does_not_reach_the_model():
    model = Network()
    before = dict(model.named_modules())
    copy = copy_modules(model, onednn_linear)
    copy.eval()
    copy(torch.randn(3, 4))
    copy.nothing = nn.Linear(1, 1)
    assert type(copy.first) is Linear
    assert copy.first is copy.again  # a module that occurs twice is still one module
    assert type(model.first) is nn.Linear
    assert all(module is before[name] for name, module in model.named_modules())
    assert model.training
    assert model.cached is None
    assert model.nothing is None


def test_a_copy_sees_later_changes_to_tensors():
    model = Network().eval()
    copy = copy_modules(model, onednn_linear)
    for tensor in (model.first.weight, model.norm.running_mean):
        tensor.data.add_(1)
    model.first.weight.data = model.first.weight.data * 2
    input = torch.randn(3, 4)
    torch.testing.assert_close(copy(input), model(input))


def test_a_copy_calls_the_hooks_of_the_model_and_keeps_its_own():
    model = Network().eval()
    calls = []
    model.first.register_forward_hook(lambda module, inputs, output: calls.append(module))
    copy = copy_modules(model, onednn_linear)
    copy.norm.register_forward_hook(lambda module, inputs, output: calls.append(module))
    copy(torch.randn(3, 4))
    assert calls == [copy.first, copy.first, copy.norm]
    assert not model.norm._forward_hooks


def test_a_dictionary_of_another_class_keeps_it():
    class Configuration(dict):
        """A configuration of diffusers, whose `copy` returns a plain dictionary."""

    model = Network()
    model.settings = Configuration(width=4)
    assert copy_modules(model).settings is model.settings
