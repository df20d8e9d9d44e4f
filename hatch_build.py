"""Build hook: the README as a package index shows it, where links that are relative to the repository lead nowhere."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# The target of a link or picture, in Markdown or HTML, that names neither a scheme nor a heading of the page itself.
RELATIVE_TARGET = re.compile(r"""(\]\(|\b(?:src|href)=")(?![a-z]+:|\#)([^)"\s]+)""")
PICTURES = {".gif", ".jpg", ".mp4", ".png", ".svg", ".webp"}


def make_links_absolute(text: str, repository: str) -> str:
    """Return a Markdown text whose relative links lead to the files of a GitHub repository.

    Args:
        text: Markdown with links relative to the top-level folder of the repository.
        repository: Address of the repository, without a slash at its end.
    """

    def absolute(match: re.Match[str]) -> str:
        opening, target = match.groups()
        view = "raw" if PurePosixPath(target).suffix in PICTURES else "blob"
        return f"{opening}{repository}/{view}/HEAD/{target}"

    return RELATIVE_TARGET.sub(absolute, text)


class CustomMetadataHook(MetadataHookInterface):
    """Description of the package: README.md with absolute links. `project.urls` holds the address of the repository."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `project.readme`, which pyproject.toml declares as dynamic."""
        text = Path(self.root, "README.md").read_text("utf-8")
        text = make_links_absolute(text, metadata["urls"]["Repository"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
