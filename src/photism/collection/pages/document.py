"""The frame of a page: one HTML file that holds its style and scripts, and that loads nothing but recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from photism.display.markup import text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src file: data: http: https:"
"""Content security policy: whatever a name or caption contains, the page loads nothing but recordings, from their files
or URLs."""


def document(title: str, body: str, *, scripts: Sequence[str]) -> str:
    """Return an HTML document.

    Args:
        title: its title, as text.
        body: its body, as HTML.
        scripts: names of script files in this folder, which follow the body.
    """
    style = asset("page.css")
    code = "\n".join(asset(name) for name in scripts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{text(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
<script>
{code}</script>
</body>
</html>
"""


def asset(name: str) -> str:
    """Return the text of a file in this folder."""
    return files(__package__ or "").joinpath(name).read_text(encoding="utf8")


def script_json(value: Any) -> str:
    """Return a value as JSON that may stand in a script element, which any `</` or `<!--` would end."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")
