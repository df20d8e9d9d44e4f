"""Find the one file of weights that a LoRA, a textual inversion or an IP-Adapter is."""

from __future__ import annotations

import shlex
from pathlib import Path

from photism.errors import InputError
from photism.hub import fetch_files, find_file

SUFFIX = ".safetensors"
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
"""Suffixes of files that torch pickled, which run code when they are read."""


def adapter_file(name: str, source: str, *, tensors: str = "w") -> Path:
    """Return a file of weights: the only one of a folder or hub repository, or the one that is named in it.

    Args:
        name: setting that an error names.
        source: file, folder, hub id or OWNER/NAME/FILE.safetensors.
        tensors: Python expression that makes a flat dictionary of the content `w` of a pickled file, for the command
            that converts it.

    Raises:
        InputError: it cannot be found, it is pickled, or a folder holds several.
    """
    path = Path(source)
    if path.suffix in PICKLED:
        raise InputError(
            f"{name} {source} is pickled, and reading it would run the code in it; if you trust it, convert it: "
            f"{conversion_command(source, tensors)}"
        )
    file = find_file(name, source)
    if file is not None:
        return file
    if not path.is_dir():
        path = fetch_files(name, source, [f"*{SUFFIX}"])
    files = sorted(path.glob(f"*{SUFFIX}"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise InputError(f"{name} {source} must contain one {SUFFIX} file, or name one of them; it contains {found}")
    return files[0]


def conversion_command(source: str, tensors: str) -> str:
    """Return the command that writes a pickled file as safetensors, next to it; nothing but tensors is unpickled."""
    script = (
        "import sys, torch, safetensors.torch as s; w = torch.load(sys.argv[1], 'cpu', weights_only=True); "
        f"w = {tensors}; s.save_file({{k: t.detach().clone().contiguous() for k, t in w.items()}}, sys.argv[2])"
    )
    return f'python -c "{script}" {shlex.quote(source)} {shlex.quote(str(Path(source).with_suffix(SUFFIX)))}'
