"""Read captions from a text file."""

from pathlib import Path

from photism.errors import InputError


def read_captions(path: Path) -> list[str]:
    """Return the lines of a file that are not blank.

    Raises:
        InputError: the file is not text in UTF-8, or has only blank lines.
    """
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--captions {path}: not a text file in UTF-8, with a caption in each line") from None
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise InputError(f"--captions {path}: no captions; write one in each line")
    return captions
