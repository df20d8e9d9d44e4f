"""Checks of HTML that results show in a notebook."""

from html.parser import HTMLParser

VOID = {"img", "path"}
"""Elements without an end, and those of SVG that end themselves."""
FORBIDDEN = {"script", "style", "link", "iframe", "object", "embed", "base", "form"}


class Markup(HTMLParser):
    """HTML that was checked: each element ends, and nothing is loaded from elsewhere or reaches beyond it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in FORBIDDEN
        values = dict(attrs)
        assert len(values) == len(attrs)
        for name in ("src", "href", "srcset", "poster"):
            assert (values.get(name) or "data:").startswith("data:")
        assert "id" not in values
        assert "class" not in values
        if tag == "img":
            assert values["alt"]
        if tag in ("svg", "audio"):
            assert values["aria-label"]
        self.elements.append((tag, values))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        """Return the number of elements of a kind."""
        return sum(name == tag for name, _ in self.elements)


def markup_of(result: object) -> Markup:
    """Return the checked HTML of a result."""
    return Markup(result._repr_html_())  # pyright: ignore[reportAttributeAccessIssue]
