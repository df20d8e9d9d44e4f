"""Check a built site: each link leads to a file and an anchor that exist, and no page loads anything from elsewhere.

python docs/build_site/check_site.py site
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
"""Elements that load something, and the attribute with its address."""

NOT_LOADED = {"canonical", "next", "prev", "alternate", "edit"}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//|data:|mailto:", re.IGNORECASE)
CSS_ADDRESS = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")


class Page(HTMLParser):
    """The anchors of a page, its links, and the addresses that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in LOADED and LOADED[tag] in values and not NOT_LOADED & set(values.get("rel", "").split()):
            self.loaded.append(values[LOADED[tag]])
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])


def problems(site: Path) -> list[str]:
    """Return a line for each broken link of a site, and for each address that a page would load from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: loads {each}" for each in page.loaded if ELSEWHERE.match(each) and each[:5] != "data:"]
        if name == "404.html":  # its links are those of the server's root
            continue
        for link in page.links + page.loaded:
            if not ELSEWHERE.match(link) and not _exists(link, path, pages):
                found.append(f"{name}: broken link {link}")
    for path in sorted(site.rglob("*.css")):
        addresses = CSS_ADDRESS.findall(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site)}: loads {each}" for each in addresses]
    return found


def _exists(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    address, _, anchor = unquote(link).partition("#")
    target = (path.parent / address.partition("?")[0]).resolve() if address else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    return not anchor or target not in pages or anchor in pages[target].anchors


def main() -> None:
    """Print the problems, and fail if there are any."""
    found = problems(Path(sys.argv[1]).resolve())
    if found:
        sys.exit("\n".join([*found, f"{len(found)} problems"]))


if __name__ == "__main__":
    main()
