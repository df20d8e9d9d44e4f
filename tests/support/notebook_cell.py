"""A notebook without a kernel, for what is displayed in the output of a cell."""

from __future__ import annotations

from photism.display.markup import Html


class NotebookCell:
    """Output of a cell.

    Attributes:
        history: HTML that was displayed in it, each in place of the one before.
    """

    def __init__(self) -> None:
        self.history: list[str] = []

    @property
    def shown(self) -> str | None:
        """HTML that is displayed now; None before the first."""
        return self.history[-1] if self.history else None

    def display(self, html: Html, *, display_id: bool) -> NotebookCell:
        assert display_id
        self.update(html)
        return self

    def update(self, html: Html) -> None:
        self.history.append(html.markup)
