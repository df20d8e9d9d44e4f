"""Chromium for tests of pages: that of the system, or Playwright's own."""

import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
WAIT_MS = 60_000
"""Longest wait for anything on a page: a model that loads on a busy machine takes some seconds."""
LONG_WAIT_MS = 300_000
"""Longest wait for what takes many seconds by itself, such as a film."""


@contextmanager
def browsers() -> Generator[Callable[..., object]]:
    """Yield a function that launches Chromium with further flags, and close what it launched at the end.

    Tests skip where there is no Chromium. Playwright's event loop occupies the thread, in which no other tests can use
    asyncio: a fixture of this has the scope of a module or package of its own.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="pages are tested with playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as playwright, ExitStack() as opened:
        sync_api.expect.set_options(timeout=WAIT_MS)

        def start(*flags: str) -> object:
            try:
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *flags])
            except sync_api.Error as error:
                pytest.skip(f"no browser is installed: {error.message.splitlines()[0]}")
            opened.callback(browser.close)
            return browser

        yield start
