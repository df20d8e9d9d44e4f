"""One file for the results of several recordings."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from photism.files import atomic_text


@contextmanager
def joint_file(
    path: Path | None, echo: Callable[[str], object], *, header: str = "", is_json_list: bool = False
) -> Generator[Callable[[str], object]]:
    """Yield a function that appends the text of a recording to a file, or prints it.

    The file is created with the first text, so that there is none if no recording is readable.

    Args:
        path: the file; None to print.
        echo: prints text, which has its own line breaks.
        header: text before the first recording.
        is_json_list: the texts are JSON values, which become the elements of a list.
    """
    count, write = 0, echo
    with ExitStack() as files:

        def append(text: str) -> None:
            """Write the text of a recording."""
            nonlocal count, write
            if count == 0 and path is not None:
                write = files.enter_context(atomic_text(path)).write
            before = header if count == 0 else ""
            if is_json_list:
                before, text = "[\n" if count == 0 else ",\n", text.rstrip("\n")
            write(before + text)
            count += 1

        yield append
        if is_json_list and count:
            write("\n]\n")
