"""Refuse files that torch pickled, which run code when they are read, with the command that converts them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from photism.errors import InputError
from photism.hub import find_file

SUFFIXES = (".bin", ".ckpt", ".pt", ".pth")
WEIGHTS = re.compile(r"(diffusion_)?pytorch_model(\.[^.]+)?\.bin")
"""Names of pickled weights in the folder of a model."""


def weights_file(name: str, source: str, *, tensors: str = "w.get('state_dict', w)") -> Path | None:
    """Return a file of weights that is on this machine, or in a hub repository as OWNER/NAME/PATH.

    Args:
        name: setting that an error names.
        source: file, folder, hub id or OWNER/NAME/PATH.
        tensors: Python expression that makes a flat dictionary of the content `w` of a pickled file, for the command
            that converts it.

    Returns:
        The file; None if `source` is a folder or can only be the id of a hub repository.

    Raises:
        InputError: there is no such file, or it is pickled.
    """
    path = find_file(name, source)
    if path is not None and path.suffix in SUFFIXES:
        raise pickled_error(f"{name} {source}", [path], tensors=tensors)
    return path


def pickled_error(owner: str, files: Sequence[Path], *, tensors: str = "w") -> InputError:
    """Return the error for pickled files, with the command that writes each as safetensors next to it.

    Args:
        owner: how the message refers to what the files belong to, such as "diffusion model.ckpt".
        files: the pickled files.
        tensors: as in `weights_file`.
    """
    script = (
        "import sys, torch, safetensors.torch as s; [s.save_file({k: t.detach().clone().contiguous() "
        f"for k, t in {tensors}.items() if hasattr(t, 'detach')}}, new, {{'format': 'pt'}}) for old, new in "
        "zip(sys.argv[1::2], sys.argv[2::2]) for w in [torch.load(old, 'cpu', weights_only=True)]]"
    )
    # transformers calls its weights pytorch_model.bin and model.safetensors.
    pairs = [(path, path.with_name(path.name.removeprefix("pytorch_")).with_suffix(".safetensors")) for path in files]
    names = " ".join(shlex.quote(str(path)) for pair in pairs for path in pair)
    return InputError(
        f"{owner} is pickled, and reading it would run the code in it; if you trust it, convert it: "
        f'python -c "{script}" {names}'
    )
