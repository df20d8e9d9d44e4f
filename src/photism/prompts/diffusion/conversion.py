"""Let diffusers convert weights in the layouts of the original implementations, with configurations of our own."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.extras import require
from photism.library_logging import quiet_libraries
from photism.locks import loading_lock


def check_accelerate() -> None:
    """Check that accelerate is installed: without it, tensors that a file lacks would be random numbers.

    Raises:
        InputError: it is not.
    """
    require("accelerate", "a single file", "diffusion")


@contextmanager
def as_conversion(owner: str) -> Generator[None]:
    """Turn what diffusers raises at a file that it cannot convert into an InputError.

    Args:
        owner: how error messages refer to the file, such as "diffusion x.safetensors".

    Raises:
        InputError: the file is damaged; or it lacks tensors, which then stay on the meta device and cannot be copied.
    """
    try:
        with as_input_error(f"{owner} cannot be loaded"), quiet_libraries, loading_lock:
            yield
    except InputError as error:
        if isinstance(error.__cause__, NotImplementedError):
            raise InputError(f"{owner} is incomplete: it lacks tensors of its model; fetch it again") from None
        raise


def convert(model_class: Any, weights: Any, config: Mapping[str, Any], owner: str, *, dtype: torch.dtype) -> Any:
    """Load a model of diffusers from weights in any layout that diffusers knows.

    Args:
        model_class: class of the model.
        weights: path of a safetensors file, or its tensors by name.
        config: configuration of the model.
        owner: how error messages refer to the file.
        dtype: of the loaded weights.

    Raises:
        InputError: the weights are damaged or incomplete.
    """
    with TemporaryDirectory() as folder, as_conversion(owner):
        Path(folder, "config.json").write_text(json.dumps(dict(config)))
        return model_class.from_single_file(weights, config=folder, local_files_only=True, dtype=dtype)
