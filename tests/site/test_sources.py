"""The sources of the documentation site, without a build: what the navigation and the reference have."""

import re
from pathlib import Path

import photism

ROOT = Path(__file__).parents[2]
NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf8").partition("\nnav:\n")[2]


def test_every_page_is_in_the_navigation():
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert not {page for page in pages if page not in NAVIGATION}


def test_every_public_name_is_in_the_reference():
    text = "\n".join(path.read_text(encoding="utf8") for path in (ROOT / "docs/reference").glob("*.md"))
    described = set(re.findall(r"^::: photism\.(\w+)$", text, re.MULTILINE))
    assert set(photism.__all__) - described == {"InputError"}  # which is described with its module
    assert "::: photism.errors" in text
