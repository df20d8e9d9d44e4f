"""Example recordings, which the bundled model brings with it."""

from __future__ import annotations

from pathlib import Path

from photism.errors import InputError
from photism.extras import install_command
from photism.files import atomic_path, check_folder
from photism.hub import find_bundled_model


def copy_examples(folder: str | Path = ".") -> tuple[Path, ...]:
    """Copy the example recordings into a folder, which is created if it does not exist, and return the recordings.

    With them comes `metadata.csv`, their captions, labels and splits, with which the folder is a data set for `align`
    and `finetune`. A file that is there already stays, if it is the same one.

    Args:
        folder: where the recordings go.

    Raises:
        InputError: photism-tiny is not installed, the folder cannot be written to, or holds another file of the name
            of an example. Nothing is copied then.
    """
    model = find_bundled_model()
    if model is None:
        raise InputError(f"the example recordings are not installed: {install_command('tiny')}")
    folder = Path(folder)
    check_folder(folder, "FOLDER")
    contents = {folder / path.name: path.read_bytes() for path in sorted((model / "examples").iterdir())}
    missing = {path: content for path, content in contents.items() if not path.exists()}
    for path, content in contents.items():
        if path not in missing and not (path.is_file() and path.read_bytes() == content):
            raise InputError(f"{path} exists and is not the example of that name; choose another FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in missing.items():
        with atomic_path(path) as unfinished:
            unfinished.write_bytes(content)
    return tuple(path for path in contents if path.suffix == ".ogg")
