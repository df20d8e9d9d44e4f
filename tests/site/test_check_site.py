"""The check of a built site, on small sites with and without mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/build_site/check_site.py"


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ('<h1 id="top">A</h1><a href="#top">up</a><a href="b/">b</a><a href="https://example.org">elsewhere</a>', ""),
        ('<a href="b/index.html#part">b</a><img src="data:image/png;base64,AA==">', ""),
        ('<a href="c.html">c</a>', "index.html: broken link c.html"),
        ('<a href="b/index.html#other">b</a>', "index.html: broken link b/index.html#other"),
        ('<img src="missing.png">', "index.html: broken link missing.png"),
        ('<script src="https://cdn.example/x.js"></script>', "index.html: loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/css">', "index.html: loads //fonts.example/css"),
    ],
)
def test_a_mistake_is_reported(tmp_path, body, reported):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/index.html").write_text('<h1 id="part">B</h1>')
    (tmp_path / "index.html").write_text(body)
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[:1] == ([reported] if reported else [])
    assert done.returncode == bool(reported)


def test_a_style_sheet_may_not_load_from_elsewhere(tmp_path):
    (tmp_path / "x.css").write_text("@import url('https://fonts.example/f.css'); a { background: url(img.png) }")
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[0] == "x.css: loads https://fonts.example/f.css"
