"""Weights that do not fit a configuration, or cannot be computed with, are refused by the name of the tensor."""

import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from photism.errors import InputError
from photism.weights import (
    LARGEST_WEIGHT,
    SPARE_WEIGHTS,
    TensorHeader,
    check_fit,
    check_floats,
    check_values,
    default_files,
    read_headers,
)


class Net(nn.Module):
    base_model_prefix = "net"

    def __init__(self, width=3):
        super().__init__()
        self.linear = nn.Linear(2, width)
        self.register_buffer("count", torch.zeros((), dtype=torch.long))


def saved(folder, **changes):
    weights = {name: changes.pop(name, tensor) for name, tensor in Net().state_dict().items()} | changes
    save_file(weights, folder / "model.safetensors")
    return read_headers([folder / "model.safetensors"], "model talk")


def refused(headers, message, *, build=Net, config=None):
    with pytest.raises(InputError, match=re.escape(message)):
        check_fit(build, config or {}, headers, "model talk")


def test_headers_are_shapes_and_types(tmp_path):
    assert saved(tmp_path) == {
        "linear.weight": TensorHeader((3, 2), "F32"),
        "linear.bias": TensorHeader((3,), "F32"),
        "count": TensorHeader((), "I64"),
    }
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 9)
    with pytest.raises(InputError, match=r"model talk cannot be loaded: model\.safetensors is damaged .*; fetch it"):
        read_headers([tmp_path / "model.safetensors"], "model talk")


def test_weights_that_fit(tmp_path):
    check_fit(Net, {"num_layers": 3}, saved(tmp_path), "model talk")
    half = {f"net.{name}": tensor.half() for name, tensor in Net().linear.named_parameters("linear")}
    check_fit(Net, {}, saved(tmp_path, **half), "model talk")


@pytest.mark.parametrize("prefix", ["", "net."])
def test_a_tensor_of_another_shape_is_named_with_both(tmp_path, prefix):
    headers = {f"{prefix}{name}": header for name, header in saved(tmp_path).items()}
    message = "model talk does not fit its config.json: linear.weight has the shape (3, 2), but config.json describes "
    refused(headers, message + "(4, 2); give the config.json that the weights were saved with", build=lambda: Net(4))


@pytest.mark.parametrize(("dtype", "name"), [(torch.int8, "I8"), (torch.uint8, "U8"), (torch.bool, "BOOL")])
def test_integers_in_place_of_floats_are_named(tmp_path, dtype, name):
    headers = saved(tmp_path, **{"linear.weight": torch.zeros(3, 2, dtype=dtype)})
    refused(headers, f"model talk is quantised: linear.weight is of type {name}, not a float; give it in")


def test_a_single_integer_is_no_quantised_weight():
    check_floats({"lora_unet.alpha": TensorHeader((), "I64")}, "lora a")


def test_variants_are_not_read_unless_they_are_named(tmp_path):
    names = ["model-00001-of-00002.safetensors", "model.fp16.safetensors", "model.safetensors", "adapter.safetensors"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in default_files(tmp_path)] == [names[0], names[2]]


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 1_000_000},
        {"encoder": {"num_hidden_layers": 1_000_000}},
        {"layers_per_block": [[2, 1_000_000]]},
        {"prior_encoder_num_flows": 1_000_000},
        {"depths": [1_000_000]},
    ],
)
def test_more_layers_than_tensors_are_refused_before_they_are_built(tmp_path, config):
    def build():
        raise AssertionError("a million layers were built")

    refused(saved(tmp_path), "=1000000: its files hold 3 tensors", build=build, config=config)


def test_names_of_classes_are_not_numbers_of_layers(tmp_path):
    check_fit(Net, {"label2id": {"layer cake": 400}, "hidden_layers": None}, saved(tmp_path), "model talk")


def test_a_huge_model_takes_no_memory(tmp_path):
    refused({"other": TensorHeader((3,), "F32")}, "weights: its files hold 3", build=lambda: Net(10**12))
    spare = SPARE_WEIGHTS // 3
    check_fit(lambda: Net(spare), {}, {"other": TensorHeader((3,), "F32")}, "model talk")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -2 * LARGEST_WEIGHT])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_cannot_be_computed_with_are_named(value, dtype):
    net = Net().to(dtype)
    check_values(net, "model talk")
    net.linear.bias.data[1] = value
    with pytest.raises(InputError, match=r"^model talk is damaged: linear\.bias holds values from .*; repair the"):
        check_values(net, "model talk")


def test_an_overflow_in_float16_has_a_remedy():
    net = Net()
    net.linear.weight.data[0, 0] = 1e6
    check_values(net, "model talk")
    with pytest.raises(InputError, match=r"linear\.weight overflows in float16; load it in float32 or bfloat16, or"):
        check_values(net.half(), "model talk")
