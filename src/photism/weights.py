"""Check the weights of a checkpoint: the headers of its files before a model is built, and the values once it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from photism.errors import InputError, as_input_error
from photism.json_files import read_json_object
from photism.library_logging import quiet_libraries
from photism.locks import loading_lock

WEIGHTS = re.compile(
    r"(diffusion_pytorch_model|model)(-\d+-of-\d+)?(\.(?P<variant>[^.]+?))?(-\d+-of-\d+)?\.safetensors"
)
"""Names of the weights, in one file or in shards, of diffusers and transformers; a variant, such as fp16, is named."""
FLOATS = ("F", "BF")
"""Beginnings of the names that safetensors has for floating-point types."""
LARGEST_WEIGHT = 1e18
"""Largest magnitude of a weight: the square of a larger one overflows in float32."""
LAYER_COUNTS = ("layer", "flows", "depths")
"""Words in the names of configuration values that are numbers of layers."""
CLASS_NAMES = ("id2label", "label2id")
"""Configuration values whose own keys are names of classes or their numbers."""
SPARE_WEIGHTS = 2**24
"""Weights that a configuration may describe beyond twice those in the files, such as tables that are not saved."""


class TensorHeader(NamedTuple):
    """Shape of a tensor in a file, and its type by the name that safetensors has for it, such as "F16"."""

    shape: tuple[int, ...]
    dtype: str


def variants(names: Iterable[str]) -> set[str | None]:
    """Return the variants of the weights among files of these names; None stands for weights without a variant."""
    return {match["variant"] for match in map(WEIGHTS.fullmatch, names) if match}


def default_files(folder: Path, variant: str | None = None) -> list[Path]:
    """Return the weights in a folder that are loaded in a variant; those without one unless it is named."""
    return [path for path in sorted(folder.glob("*.safetensors")) if variant in variants([path.name])]


def read_headers(files: Iterable[Path], owner: str) -> dict[str, TensorHeader]:
    """Return the headers of the tensors in safetensors files, by name; no tensor is read.

    Args:
        files: the files.
        owner: how error messages refer to the checkpoint, such as "model talk".

    Raises:
        InputError: a file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    headers: dict[str, TensorHeader] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    tensor = file.get_slice(name)
                    headers[name] = TensorHeader(tuple(tensor.get_shape()), str(tensor.get_dtype()))
        except (SafetensorError, OSError) as error:
            raise InputError(f"{owner} cannot be loaded: {path.name} is damaged ({error}); fetch it again") from None
    return headers


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata of a safetensors file whose headers were read; empty if it has none."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def check_fit(
    build: Callable[[], nn.Module], config: Mapping[str, Any], headers: Mapping[str, TensorHeader], owner: str
) -> None:
    """Check that a configuration describes the tensors of a checkpoint, before memory is allocated for a model.

    A damaged configuration may describe a million layers, or layers of any width. Tensors that only one of both has
    are left to the library that loads the weights.

    Args:
        build: builds the model of the configuration; it is called on the meta device, where tensors take no memory.
        config: the configuration.
        headers: headers of the tensors, by their names in the model.
        owner: how error messages refer to the checkpoint, such as "model talk".

    Raises:
        InputError: there are fewer tensors than layers, a tensor has another shape, or holds integers where the model
            has floats, or the configuration describes far more weights than there are.
    """
    for key, count in _layer_counts(config):
        if count > len(headers):
            raise InputError(
                f"{owner} does not fit its config.json, which has {key}={count}: its files hold {len(headers)} tensors"
            )
    with torch.device("meta"):
        model = build()
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    for name, tensor in model.state_dict().items():
        # A model may be saved with a head and loaded without, or the other way round.
        names = (name, prefix + name, name.removeprefix(prefix))
        header = next((headers[each] for each in names if each in headers), None)
        if header is None:
            continue
        if tensor.is_floating_point():
            check_floats({name: header}, owner)
        if header.shape != tensor.shape:
            raise misfit(owner, name, header.shape, tuple(tensor.shape))
    described = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    held = sum(prod(shape) for shape, _ in headers.values())
    if described > 2 * held + SPARE_WEIGHTS:
        raise InputError(
            f"{owner} does not fit its config.json, which describes {described:,} weights: its files hold {held:,}"
        )


def check_floats(headers: Mapping[str, TensorHeader], owner: str) -> None:
    """Check that tensors are floats, as all weights are that are not quantised. Single numbers may be integers.

    Args:
        headers: headers of the tensors, by name.
        owner: how error messages refer to the checkpoint, such as "model talk".

    Raises:
        InputError: one holds integers or truth values.
    """
    for name, (shape, dtype) in headers.items():
        if shape and not dtype.startswith(FLOATS):  # the scale of a LoRA may be an integer
            raise InputError(
                f"{owner} is quantised: {name} is of type {dtype}, not a float; give it in float32, float16 or bfloat16"
            )


def misfit(owner: str, name: str, shape: tuple[int, ...], described: tuple[int, ...]) -> InputError:
    """Return the error for a tensor whose shape is not the one that config.json describes."""
    return InputError(
        f"{owner} does not fit its config.json: {name} has the shape {shape}, but config.json describes {described}; "
        "give the config.json that the weights were saved with"
    )


def check_component(model_class: Any, folder: Path, files: Iterable[Path], owner: str) -> None:
    """Check that the configuration of a component of a diffusers pipeline describes its tensors, as `check_fit` does.

    Args:
        model_class: class of diffusers or transformers that the component has.
        folder: folder with its config.json.
        files: its weights as safetensors.
        owner: how error messages refer to the component, such as "unet of model talk".

    Raises:
        InputError: they do not fit, or a file is damaged.
    """
    config, headers = read_json_object(folder / "config.json", owner), read_headers(files, owner)

    def build() -> nn.Module:
        if hasattr(model_class, "from_config"):  # of diffusers
            return model_class.from_config(config)
        return model_class(model_class.config_class.from_pretrained(folder))

    with as_input_error(f"{owner} cannot be loaded"), quiet_libraries, loading_lock:
        check_fit(build, config, headers, owner)


def check_values(model: nn.Module, owner: str) -> None:
    """Check that the weights of a model are numbers that can be computed with.

    Each weight is read once, which takes a fifth of a second for a billion of them on one core of a CPU.

    Args:
        model: the model, on any device and in any dtype.
        owner: how error messages refer to the checkpoint, such as "model talk".

    Raises:
        InputError: a tensor contains NaN, infinity, or a number whose square overflows in float32.
    """
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
            continue
        low, high = (float(each) for each in torch.aminmax(tensor.detach()))  # NaN if the tensor has one
        if low >= -LARGEST_WEIGHT and high <= LARGEST_WEIGHT:
            continue
        has_overflown = tensor.dtype == torch.float16 and low == low  # float16 ends at 65,504; NaN is no overflow
        problem, remedy = (
            ("overflows in float16", "load it in float32 or bfloat16, or repair the checkpoint")
            if has_overflown
            else (f"holds values from {low:g} to {high:g}", "repair the checkpoint, or fetch it again")
        )
        raise InputError(f"{owner} is damaged: {name} {problem}; {remedy}")


def _layer_counts(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the names and values of all numbers of layers in a configuration, nested ones included."""
    for key, value in config.items():
        if key in CLASS_NAMES:
            continue
        if isinstance(value, Mapping):
            yield from _layer_counts(cast("Mapping[str, Any]", value))
        elif any(word in key for word in LAYER_COUNTS):
            yield from ((key, count) for count in _integers(value))


def _integers(value: Any) -> Iterator[int]:
    """Yield a value that is an integer, or the integers in a list."""
    if isinstance(value, list | tuple):
        for each in cast("list[Any]", value):
            yield from _integers(each)
    elif isinstance(value, int):
        yield value
