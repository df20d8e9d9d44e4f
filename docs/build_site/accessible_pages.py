"""mkdocs hook: names for what screen readers announce and the theme leaves without one."""


def on_post_page(output: str, **_: object) -> str:
    """Name the search dialog of a page."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
