"""Take the pictures of the page for the documentation: studio-draw.png, studio-live.png and studio-phone.png.

    photism serve --port 7861 &
    python docs/make_studio_pictures.py http://127.0.0.1:7861 docs

They show the bundled model with its examples. A Chromium is needed: the system's, or `playwright install chromium`.
"""

import argparse
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
COLOURS = 192
"""Number of colours in a picture, which makes its file a third as large."""
LONG_MS = 120_000
"""Time for a drawing with the model's loading."""


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="address of the page")
    parser.add_argument("folder", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, take in (("draw", take_draw), ("live", take_live), ("phone", take_phone)):
            save(take(browser, arguments.url), arguments.folder / f"studio-{name}.png")
        browser.close()


def take_draw(browser: Browser, url: str) -> bytes:
    """Return a picture of the tab Draw with a drawing."""
    page = open_page(browser, url, width=1100, height=1250)
    draw_example(page, "elephant", "Draw")
    return picture(page)


def take_live(browser: Browser, url: str) -> bytes:
    """Return a picture of the tab Live with a recording that is drawn at its own pace."""
    page = open_page(browser, f"{url}/#live", width=1100, height=1250)
    page.get_by_role("button", name="butterfly").click()
    page.get_by_text("at its own pace").click()
    page.get_by_role("tabpanel").get_by_role("button", name="Start").click()
    page.get_by_role("img", name="A butterfly").wait_for(timeout=LONG_MS)
    page.wait_for_timeout(1000)  # for the fade
    return picture(page)


def take_phone(browser: Browser, url: str) -> bytes:
    """Return a picture of the page in Arabic, on a phone, in dark colours."""
    page = open_page(browser, url, width=390, height=1180, locale="ar", color_scheme="dark", device_scale_factor=1.5)
    draw_example(page, "strawberry", "ارسم")
    return picture(page)


def picture(page: Page) -> bytes:
    """Return a picture of the page from its top, as PNG."""
    page.evaluate("scrollTo(0, 0)")
    return page.screenshot()


def open_page(browser: Browser, url: str, *, width: int, height: int, **options: Any) -> Page:
    """Open the page in a window of a size in pixels."""
    page = browser.new_context(**{"locale": "en", **options}, viewport={"width": width, "height": height}).new_page()
    page.goto(url)
    page.locator("[data-ready=true]").wait_for()
    return page


def draw_example(page: Page, name: str, button: str) -> None:
    """Draw an example recording, and wait for its picture."""
    page.get_by_role("button", name=name).first.click()
    page.get_by_role("tabpanel").get_by_role("button", name=button, exact=True).first.click()
    page.locator("#panel-draw img").first.wait_for(timeout=LONG_MS)
    page.locator(".run[aria-busy=true]").wait_for(state="detached", timeout=LONG_MS)
    page.wait_for_timeout(1000)  # for the scrolling


def save(png: bytes, path: Path) -> None:
    """Write a picture with few colours."""
    few = Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
