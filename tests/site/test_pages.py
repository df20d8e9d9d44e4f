"""The pages of the documentation site in Chromium, opened from their folder, where nothing else can be loaded."""

import pytest

from tests.support.browsers import browsers

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the pages are checked with axe")
pytestmark = pytest.mark.slow

PAGES = (
    "index.html",
    "concepts/alignment.html",
    "guides/http.html",
    "reference/images.html",
    "reference/commands.html",
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser():
    with browsers() as launch:
        yield launch()


@pytest.fixture
def tab(browser):
    """Return a function that opens a tab, and collects in `problems` what a page loads from elsewhere or reports."""
    opened = []

    def new_tab(**settings):
        page = browser.new_page(**settings)
        page.problems = []
        page.on(
            "request", lambda each: None if each.url.startswith(("file:", "data:")) else page.problems.append(each.url)
        )
        page.on("pageerror", lambda each: page.problems.append(str(each)))
        opened.append(page)
        return page

    yield new_tab
    for page in opened:
        page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_loads_anything_from_elsewhere_or_scrolls_sideways(site, tab, width):
    page = tab(viewport={"width": width, "height": 900})
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            page.goto(path.as_uri())
            assert page.evaluate(OVERFLOW) <= 0, path.relative_to(site)
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(site, tab, scheme):
    page = tab(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    for name in PAGES:
        page.goto((site / name).as_uri())
        found = axe.Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(name, each["id"], each["nodes"][0]["target"]) for each in serious] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [("AudioToImagePipeline", "AudioToImagePipeline"), ("--guidance-scale", "photism sound")],
)
def test_the_search_finds_names_and_flags(site, tab, words, found):
    page = tab()
    page.goto((site / "index.html").as_uri())
    page.get_by_placeholder("Search").click()
    page.keyboard.type(words)
    page.locator(".md-search-result__link", has_text=found).first.wait_for()
    assert page.problems == []
