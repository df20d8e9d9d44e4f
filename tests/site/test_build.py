"""The documentation site: its links, and what its hooks and the extension add."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


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


def test_a_formula_is_mathml(site):
    page = (site / "concepts/alignment.html").read_text("utf8")
    assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') == 2
    assert "arithmatex" not in page


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("guides/live.html", "../reference/images.html#photism.drawing.live.live_runner.LiveRunner"),
        ("coming-from/diffusers.html", "../reference/images.html#photism.AudioToImagePipeline"),
        ("reference/listening.html", "audio.html#photism.load_waveform"),
    ],
)
def test_a_name_leads_to_the_reference(site, page, address):
    assert f'href="{address}"><code>' in (site / page).read_text("utf8")
