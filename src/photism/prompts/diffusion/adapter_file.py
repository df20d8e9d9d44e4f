"""Find the one file of weights that a LoRA, a textual inversion or an IP-Adapter is."""

from __future__ import annotations

from pathlib import Path

from photism.errors import InputError
from photism.hub import fetch_file, list_top_files
from photism.prompts.diffusion.pickled import weights_file

SUFFIX = ".safetensors"


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
    file = weights_file(name, source, tensors=tensors)
    if file is not None:
        return file
    folder = Path(source)
    is_local = folder.is_dir()
    paths = [each.name for each in folder.iterdir()] if is_local else list_top_files(name, source)
    files = sorted(each for each in paths if each.endswith(SUFFIX))
    if len(files) != 1:
        found = ", ".join(files) or "none"
        raise InputError(f"{name} {source} must contain one {SUFFIX} file, or name one of them; it contains {found}")
    return folder / files[0] if is_local else fetch_file(name, source, files[0])[1]
