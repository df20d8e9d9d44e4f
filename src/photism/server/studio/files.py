"""Files of the page, under names that say nothing about the folders of the server.

/page/TOKEN/NAME    an upload or a generated image, in the private folder until it expires
/examples/NAME      an example, which lies in its package and stays
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT_TYPES = ("audio/", "video/")
"""Media types whose suffix an upload keeps, by which browsers know how to play it."""
NAME = re.compile(r"/(?:page/([0-9a-f]{32,64})|examples)/([\w][\w.-]*)", re.ASCII)
FILE_ROUTE = "/gradio_api/file="


@dataclass(frozen=True)
class PageFiles:
    """Files of the page.

    Attributes:
        folder: folder of uploads and generated images. Each lies in a folder of its own, whose name is a token that
            cannot be guessed: whoever has it may read the file.
        examples: folder of the examples; None if there are none.
    """

    folder: Path
    examples: Path | None = None

    def path_of(self, name: str) -> Path | None:
        """Return the path of a file, or None if there is none of that name."""
        match = NAME.fullmatch(name)
        if match is None or (match[1] is None and self.examples is None):
            return None
        path = (self.folder / match[1] if match[1] else self.examples or self.folder) / match[2]
        return path if path.is_file() else None

    def name_of(self, path: str | Path) -> str | None:
        """Return the name of a file, or None for a path elsewhere."""
        path = Path(path)
        if path.is_relative_to(self.folder):
            return f"/page/{path.relative_to(self.folder).as_posix()}"
        if self.examples is not None and path.is_relative_to(self.examples):
            return f"/examples/{path.relative_to(self.examples).as_posix()}"
        return None

    def new_upload(self, filename: str | None) -> Path:
        """Return the path of a new upload, in a new folder; of the visitor's name for it only the suffix is kept."""
        suffix = Path(filename or "").suffix.lower()
        media_type, _ = mimetypes.guess_type(f"sound{suffix}")
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder / f"sound{suffix if (media_type or '').startswith(KEPT_TYPES) else ''}"

    def without_folders(self, value: Any, root: str) -> Any:
        """Return an answer of Gradio with the names of files in place of their paths.

        Args:
            value: JSON with Gradio's objects of files, which have `path` and `url`.
            root: address of the page.
        """
        if isinstance(value, list | tuple):
            return [self.without_folders(each, root) for each in value]
        if not isinstance(value, dict):
            return value
        named = {key: self.without_folders(each, root) for key, each in value.items()}
        path = named.get("path")
        name = self.name_of(path) if isinstance(path, str) else None
        return named if name is None else {**named, "path": name, "url": f"{root}{FILE_ROUTE}{name}"}
