"""mkdocs hook: links from the pages to files of the repository that are outside of docs/.

The pages link to other files of the repository by relative paths, which GitHub resolves. On the site, such a link leads
to the page that is made of the file, if `PAGES` has one, or else to the file in the repository.
"""

import posixpath
import re
from pathlib import Path

import tomllib
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "models/tiny.md": "packages/photism-tiny/src/photism_tiny/README.md",
    "models/tiny-language.md": "packages/photism-tiny/src/photism_tiny/language/README.md",
    "models/tiny-sound.md": "packages/photism-tiny/src/photism_tiny/sound/README.md",
    "recipes/tiny.md": "recipes/tiny/README.md",
    "recipes/tiny-sound.md": "recipes/tiny_sound/README.md",
    "recipes/listening.md": "recipes/listening/README.md",
    "recipes/sound-events.md": "recipes/sound_events/README.md",
}
"""Pages of the site, and the documents of the repository that they are made of."""

LOGO = "src/photism/server/studio/static/icon.svg"

MARKDOWN_LINK = re.compile(r"(\]\()([^)\s]+)(?=\))")
HTML_LINK = re.compile(r"(<(?:img|source|video|audio|a)\b[^>]*?\b(?:src|srcset|href)=\")([^\"]+)(?=\")")
CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
PICTURES = (".png", ".jpg", ".svg", ".webp")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of `PAGES`, with their pictures."""
    root = _root(config)
    files.append(File.generated(config, "assets/logo.svg", abs_src_path=str(root / LOGO)))
    for page, document in PAGES.items():
        text = (root / document).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
        for _, link in MARKDOWN_LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(document), link))
            is_outside = not path.startswith("docs/") and path not in files.src_uris
            if path.endswith(PICTURES) and is_outside and (root / path).is_file():
                files.append(File.generated(config, path, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let each relative link lead to a page of the site or to the repository."""
    root = _root(config)
    docs = Path(config.docs_dir).relative_to(root).as_posix()
    source = PAGES.get(page.file.src_uri, f"{docs}/{page.file.src_uri}")

    def replaced(match: re.Match[str]) -> str:
        before, link = match.groups()
        path, _, anchor = link.partition("#")
        if not path or re.match(r"[a-z]+:", link):
            return match.group()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        found = _on_site(target, docs, root, files)
        if found is not None:
            address = posixpath.relpath(found, posixpath.dirname(page.file.src_uri) or ".")
        elif (root / target).exists():
            address = f"{_repository(root)}/{'tree' if (root / target).is_dir() else 'blob'}/main/{target}"
        else:
            return match.group()  # mkdocs reports it
        return f"{before}{address}{'#' + anchor if anchor else ''}"

    pieces = CODE.split(markdown)  # text and code, in turn
    pieces[::2] = [HTML_LINK.sub(replaced, MARKDOWN_LINK.sub(replaced, each)) for each in pieces[::2]]
    return "".join(pieces)


def _on_site(target: str, docs: str, root: Path, files: Files) -> str | None:
    """Return the path within the site's sources of a file or folder of the repository, if it is there."""
    document = f"{target}/README.md" if (root / target).is_dir() else target
    for page, made_of in PAGES.items():
        if document == made_of:
            return page
    path = target.removeprefix(f"{docs}/")
    published = (each for each in (path, f"{path}/index.md") if each in files.src_uris)
    return next((each for each in published if files.src_uris[each].inclusion.is_included()), None)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _repository(root: Path) -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]
