"""mkdocs hook: formulas become MathML, which browsers show without a script. GitHub shows the same `$…$`."""

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)


def on_page_content(html_text: str, **_: object) -> str:
    """Convert the formulas of a page."""

    def converted(match: re.Match[str]) -> str:
        _, inline, block = match.groups()
        return convert(html.unescape(inline or block).strip(), display="inline" if inline else "block")

    return FORMULA.sub(converted, html_text)
