"""The sources of the documentation site, without a build: what the navigation and the reference have."""

import re
from pathlib import Path

import photism

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(path.read_text(encoding="utf8") for path in sorted((ROOT / "docs/reference").glob("*.md")))
DESCRIBED = set(re.findall(r"^::: (photism[\w.]+)$", REFERENCE, re.MULTILINE))
NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf8").partition("\nnav:\n")[2]


def test_every_page_is_in_the_navigation():
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert not {page for page in pages if page not in NAVIGATION}


def test_every_public_name_is_in_the_reference():
    assert {f"photism.{name}" for name in photism.__all__} - DESCRIBED == {"photism.InputError"}
    assert "photism.errors" in DESCRIBED  # which has it


def test_what_the_documents_import_is_in_the_reference():
    text = "\n".join(path.read_text(encoding="utf8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    imported = {
        (module, name.strip())
        for module, names in re.findall(r"^from (photism[\w.]*) import ([\w, ]+)", text, re.MULTILINE)
        for name in names.split(",")
    }
    missing = set()
    for module, name in imported:
        home = photism._MODULES[name] if module == "photism" else module
        if home.startswith("photism") and not {module, home, f"{module}.{name}", f"{home}.{name}"} & DESCRIBED:
            missing.add(f"{module}.{name}")
    # The first is described where it is defined, the second with the class of which it is another name.
    assert missing <= {"photism.jobs.run", "photism.Wav2Vec2BertFeatureExtractor"}
