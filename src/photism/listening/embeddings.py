"""Files of named embeddings, as safetensors or NumPy archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError, as_input_error
from photism.files import as_utf8, atomic_path


def save_embeddings(embeddings: Mapping[str, NDArray[np.float32]], target: str | Path) -> None:
    """Write embeddings by name to a .safetensors or .npz file.

    The bytes of a file name that is not UTF-8 are escaped, since these formats have names in UTF-8.

    Raises:
        InputError: the file name has another suffix.
    """
    path = Path(target)
    check_suffix(path)
    rows = {as_utf8(name): np.ascontiguousarray(row) for name, row in embeddings.items()}
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        if path.suffix == ".npz":
            # Not savez, whose own parameters are no names of arrays.
            with zipfile.ZipFile(file, "w") as archive:
                for name, row in rows.items():
                    with archive.open(f"{name}.npy", "w") as array:
                        np.lib.format.write_array(array, row, allow_pickle=False)
        else:
            from safetensors.numpy import save

            file.write(save(rows))


def load_embeddings(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read what `save_embeddings` wrote.

    Raises:
        InputError: the file is not one of embeddings.
    """
    check_suffix(Path(path))
    with as_input_error(f"{path} cannot be read as embeddings"):
        if Path(path).suffix == ".npz":
            with np.load(path) as archive:
                return {name: archive[name] for name in archive.files}
        from safetensors.numpy import load_file

        return load_file(path)


def check_suffix(path: Path) -> None:
    """Check that a file name has a suffix of embeddings.

    Raises:
        InputError: it has another suffix.
    """
    if path.suffix not in (".safetensors", ".npz"):
        raise InputError(f"embeddings need a file that ends in .safetensors or .npz; got {path}")


def load_others(path: Path, name: str, *, force: bool) -> dict[str, NDArray[np.float32]]:
    """Return the other speakers in a file to which a speaker is added; {} if there is no such file yet.

    Args:
        path: file of speakers.
        name: name of the speaker that is added.
        force: allow a speaker of that name to be replaced.

    Raises:
        InputError: a speaker of that name is enrolled, and is not to be replaced; or the file is unreadable.
    """
    enrolled = load_embeddings(path) if path.exists() else {}
    if name in enrolled and not force:
        raise InputError(
            f"{path} has a speaker {name!r} already; choose another name, or --force to replace the speaker"
        )
    return {other: embedding for other, embedding in enrolled.items() if other != name}
