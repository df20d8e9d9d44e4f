"""Embeddings by name, as a file that anything can read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError, as_input_error
from photism.files import atomic_path


def save_embeddings(embeddings: Mapping[str, NDArray[np.float32]], target: str | Path) -> None:
    """Writes embeddings by name, to a .safetensors or .npz file, beside the target, which it then becomes.

    Raises:
        InputError: the name has another ending.
    """
    path = Path(target)
    check_ending(path)
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        if path.suffix == ".npz":
            np.savez(file, **embeddings)  # pyright: ignore[reportArgumentType]
        else:
            from safetensors.numpy import save

            file.write(save({name: np.ascontiguousarray(row) for name, row in embeddings.items()}))


def load_embeddings(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Reads what `save_embeddings` wrote.

    Raises:
        InputError: it is no such file.
    """
    check_ending(Path(path))
    with as_input_error(f"embeddings {path} cannot be read"):
        if Path(path).suffix == ".npz":
            with np.load(path) as held:
                return {name: held[name] for name in held.files}
        from safetensors.numpy import load_file

        return load_file(path)


def check_ending(path: Path) -> None:
    """See whether embeddings can be in a file of this name.

    Raises:
        InputError: it ends in something else.
    """
    if path.suffix not in (".safetensors", ".npz"):
        raise InputError(f"embeddings must be in a file that ends in .safetensors or .npz; got {path}")
