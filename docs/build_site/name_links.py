"""mkdocs hook: names of the reference become links wherever a page has them as code, as `AudioToImagePipeline`."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

DESCRIBED = re.compile(r"^::: (photism[\w.]+)$", re.MULTILINE)
CODE = re.compile(r"(?P<kept><(?P<tag>a|autoref|h[1-6]|pre)\b.*?</(?P=tag)>)|<code>(?P<name>[\w.]+)</code>", re.DOTALL)

_paths: dict[str, str] = {}
"""Full names of what the reference describes; classes, and functions of several words, also by their own names."""


def on_config(config: MkDocsConfig) -> None:
    """Read which names the reference describes."""
    for page in sorted(Path(config.docs_dir, "reference").glob("*.md")):
        for path in DESCRIBED.findall(page.read_text(encoding="utf-8")):
            name = path.rpartition(".")[2]
            _paths[path] = path
            if name[0].isupper() or "_" in name:
                _paths.setdefault(name, path)


def on_page_content(html: str, **_: object) -> str:
    """Let names lead to the reference; autorefs resolves them when all pages are there."""

    def linked(match: re.Match[str]) -> str:
        path = _paths.get(match["name"] or "")
        return match[0] if path is None else f'<autoref optional identifier="{path}">{match[0]}</autoref>'

    return CODE.sub(linked, html)
