"""Choose the variant of the weights, such as fp16, that a folder or hub repository is loaded in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from warnings import warn

from photism.errors import InputError, ModelWarning
from photism.hub import list_files
from photism.prompts.diffusion.pickled import WEIGHTS, pickled_error
from photism.settings import SettingError
from photism.weights import variants

PREFERRED = "fp16"


def choose_variant(
    owner: str,
    location: str,
    config: Path,
    *,
    parts: Iterable[str],
    asked: str | None,
    is_required: bool = False,
) -> str | None:
    """Return the variant to load; None for the weights without one, which are used where there are any.

    Args:
        owner: how error messages refer to the model, such as "controlnet x".
        location: folder or hub id.
        config: a file of it on this machine.
        parts: folders with weights within it; "" for the folder itself.
        asked: the variant that the user asked for.
        is_required: whether that is an error if there is no such variant.

    Raises:
        InputError: there is no such variant, or a part has pickled weights only.
    """
    folder = Path(location)
    names = _relative_names(folder) if folder.is_dir() else list_files(location, config)
    found = {part: variants(_names_in(names, part)) for part in parts}
    pickled = [
        str(PurePosixPath(part, name))
        for part in found
        for name in _names_in(names, part)
        if not found[part] and WEIGHTS.fullmatch(name)
    ]
    if pickled and folder.is_dir():
        raise pickled_error(owner, [folder / name for name in pickled])
    if pickled:
        raise InputError(
            f"{owner} has pickled weights, which run code when they are read: {', '.join(pickled)}; "
            "https://huggingface.co/spaces/safetensors/convert converts them"
        )
    return _choose(owner, list(found.values()), asked, is_required=is_required)


def _choose(owner: str, found: Sequence[set[str | None]], asked: str | None, *, is_required: bool) -> str | None:
    """Choose from the variants of each part, of which None is the weights without one."""
    everything = sorted({each for part in found for each in part if each is not None})
    if asked in everything:
        return asked
    if asked is not None and is_required:
        has = ", ".join(everything) or "none"
        raise SettingError("variant", f"must be one of those that {owner} has, {has}; got {asked}")
    only = [part for part in found if part and None not in part]
    if not only:
        return None
    candidates = set.intersection(*only) or set.union(*only)
    variant = PREFERRED if PREFERRED in candidates else min(each for each in candidates if each is not None)
    warn(f"{owner} has weights in the variant {variant} only; loading these", ModelWarning, stacklevel=3)
    return variant


def _relative_names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in (*folder.glob("*"), *folder.glob("*/*"))]


def _names_in(names: Iterable[str], part: str) -> list[str]:
    """Return the names of the files that are in a folder itself."""
    paths = (PurePosixPath(name) for name in names)
    return [path.name for path in paths if path.parent == PurePosixPath(part)]
