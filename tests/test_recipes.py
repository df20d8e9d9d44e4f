"""Recipes and benchmarks import, and the commands that documents give for them exist."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [path for folder in ("recipes", "benchmarks") for path in sorted((ROOT / folder).rglob("[!_]*.py"))]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SCRIPTS]
DOCUMENTS = [path for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "recipes/*/*") for path in ROOT.glob(pattern)]


@pytest.mark.parametrize("module", MODULES)
def test_a_script_imports(module):
    importlib.import_module(module)


def test_documents_run_existing_scripts():
    documents = [path for path in DOCUMENTS if path.is_file() and path.suffix not in (".pyc", ".jpg", ".png")]
    texts = "".join(path.read_text(encoding="utf8") for path in documents)
    commands = set(re.findall(r"python -m ((?:recipes|benchmarks)\.[\w.]*\w)", texts))
    assert commands <= set(MODULES)
    assert len(commands) > 20
