"""Files of named embeddings, as safetensors or NumPy archives."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError, as_input_error
from photism.files import as_utf8, atomic_path

TABLE = frozenset({"files", "vectors"})
"""Arrays of a file that `photism embed` writes: names, and a row for each of them."""


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
    """Read what `save_embeddings`, or `photism embed`, wrote.

    Raises:
        InputError: the file is not one of embeddings, or has several of a recording.
    """
    check_suffix(Path(path))
    with as_input_error(f"{path} cannot be read as embeddings"):
        if Path(path).suffix == ".npz":
            with np.load(path) as archive:
                arrays = {name: archive[name] for name in archive.files}
            names = arrays["files"].tolist() if arrays.keys() >= TABLE else None
        else:
            from safetensors import safe_open

            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
                names = json.loads(file.metadata()["files"]) if {*arrays, *(file.metadata() or ())} >= TABLE else None
    if names is None:
        return arrays
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{path} has several vectors of {repeated[0]}; embed whole recordings, once each")
    return dict(zip(names, arrays["vectors"], strict=True))


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
