"""The documentation site as `make docs` builds it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site is built with photism[docs]")
pytest.importorskip("mkdocstrings", reason="the site is built with photism[docs]")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    arguments = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_is_whole(site):
    script = ROOT / "docs/build_site/check_site.py"
    done = subprocess.run([sys.executable, script, site], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_link_to_a_document_outside_of_docs_leads_to_its_page(site):
    assert 'href="../recipes/listening.html#speech-recognition"' in (site / "guides/transcribe.html").read_text("utf8")


def test_the_reference_has_the_settings_that_a_function_accepts(site):
    page = (site / "reference/images.html").read_text("utf8")
    assert "num_inference_steps" in page.partition('id="photism.AudioToImagePipeline.stream"')[2]


def test_each_command_has_a_page_with_its_flags(site):
    page = (site / "reference/commands/film.html").read_text("utf8")
    assert "<code>--window SECONDS</code>" in page
