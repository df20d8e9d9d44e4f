"""Captions from a file, one a line."""

from pathlib import Path

from photism.errors import InputError


def read_captions(path: Path) -> list[str]:
    """The lines of a file that say something.

    Raises:
        InputError: it is no text in UTF-8, or has none.
    """
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--captions must be a text file in UTF-8, one caption a line; {path} is not") from None
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise InputError(f"--captions must hold at least one caption, one a line; {path} holds none")
    return captions
