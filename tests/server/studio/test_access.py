"""The page for everyone: axe, the keyboard alone, small screens, large text, reduced motion, and nothing that jumps."""

import pytest

from photism.server.studio.pages import languages

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the page is checked with axe")
expect = sync_api.expect

TABS = ("draw", "film", "hear", "label", "transcribe", "speakers", "sound", "live")
MAX_SHIFT = 0.02
"""Largest layout shift that nobody has caused; pages count as good up to .1."""
COUNT_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const names = entry.sources.map(({ node }) => String(node?.className));
        if (!entry.hadRecentInput) window.shifts.push([entry.value, ...names]);
      }
    }).observe({ type: "layout-shift", buffered: true });
"""


def open_tab(page, tab):
    """Open a tab by its address, and everything that is folded in it."""
    page.evaluate(f"location.hash = '{tab}'")
    panel = page.locator(f"#panel-{tab}")
    expect(panel.locator(":scope > *")).to_be_visible()
    panel.evaluate("(panel) => panel.querySelectorAll('details').forEach((each) => { each.open = true; })")
    return panel


def findings(page):
    """Return what axe finds on the page: the rule, and the elements."""
    found = axe.Axe().run(page).response["violations"]
    return [(each["id"], node["target"], node["failureSummary"]) for each in found for node in each["nodes"]]


def choose_example(page):
    page.get_by_role("button", name="elephant").first.click()
    expect(page.locator(".recording-name")).to_contain_text("elephant")


def draw(page):
    page.get_by_role("button", name="Draw", exact=True).click()
    image = page.get_by_role("region", name="Result").get_by_role("img").first
    expect(image).to_have_attribute("alt", "A drawing of: an elephant")
    return image


def draw_example(page):
    choose_example(page)
    return draw(page)


def test_axe_finds_nothing_on_the_page_with_a_drawing(studio):
    draw_example(studio)
    assert findings(studio) == []


@pytest.mark.slow
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_tab(open_studio, theme, width, language):
    page = open_studio(width=width, color_scheme=theme, language=language)
    for tab in TABS:
        open_tab(page, tab)
        assert findings(page) == [], tab


@pytest.mark.slow
def test_the_keyboard_alone_draws(open_studio):
    page = open_studio()
    press_until(page, "Tab", "button", "banana")
    press_until(page, "ArrowRight", "button", "elephant")
    page.keyboard.press("Enter")
    image = page.get_by_role("region", name="Result").get_by_role("img").first
    expect(image).to_have_attribute("alt", "A drawing of: an elephant")


def test_one_key_leads_past_the_recording(studio):
    studio.keyboard.press("Tab")
    studio.keyboard.press("Enter")  # on the link to the button
    button = studio.get_by_role("button", name="Draw", exact=True)
    expect(button).to_be_focused()
    assert button.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"
    studio.get_by_role("button", name="banana").focus()
    studio.keyboard.press("Tab")  # past the other examples
    assert studio.evaluate("document.activeElement.closest('.examples')") is None


def press_until(page, key, role, name):
    """Press a key until an element has the focus."""
    wanted = page.get_by_role(role, name=name).first
    expect(wanted).to_be_visible()
    for _ in range(60):
        page.keyboard.press(key)
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{key} does not reach the {role} {name}")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ar"])
def test_arrow_keys_choose_a_tab_in_reading_direction(open_studio, language):
    page = open_studio(language=language)
    page.locator("#tab-draw").focus()
    page.keyboard.press("ArrowLeft" if language == "ar" else "ArrowRight")
    expect(page.locator("#tab-film")).to_be_focused()
    expect(page.locator("#tab-film")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(page.locator("#tab-live")).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("width", [390, 320])  # a phone, and a desktop with its text at 400 %
def test_nothing_is_wider_than_a_phone(open_studio, width, language):
    page = open_studio(width=width, language=language)
    for tab in TABS:
        open_tab(page, tab)
        inside, outside = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert inside <= outside, tab
    title_lines = page.locator("h1").evaluate(
        "(title) => { const all = new Range(); all.selectNodeContents(title); return all.getClientRects().length; }"
    )
    assert title_lines == 1


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_jumps(open_studio, width):
    page = open_studio("#draw", width=width, init_script=COUNT_SHIFTS)
    shifts = page.evaluate("window.shifts.splice(0)")
    choose_example(page)  # which makes room for the recording
    page.evaluate("window.shifts.splice(0)")
    draw(page)
    shifts += page.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < MAX_SHIFT, shifts


@pytest.mark.slow
def test_the_result_comes_into_view_on_a_phone(open_studio):
    page = open_studio(width=390)
    expect(draw_example(page)).to_be_in_viewport(ratio=0.5)


@pytest.mark.slow
def test_without_motion_nothing_moves(open_studio):
    page = open_studio(reduced_motion="reduce")
    moving = page.evaluate(
        "document.getAnimations().filter(({ effect }) => effect.getComputedTiming().duration > 1).length"
    )
    longest = page.evaluate(
        """Math.max(
            ...[...document.querySelectorAll("*")].map((each) => parseFloat(getComputedStyle(each).transitionDuration)),
        )"""
    )
    assert (moving, longest < 0.001) == (0, True)


@pytest.mark.slow
def test_targets_are_large_enough_to_touch(open_studio):
    page = open_studio(width=390, has_touch=True, is_mobile=True)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, summary")]
            .filter((each) => each.checkVisibility() && !each.closest(".hidden, .skip"))
            .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
            .filter(([, { width, height }]) => Math.min(width, height) < 24).map(([html]) => html)"""
    )
    assert small == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_can_be_changed_and_is_remembered(open_studio, scheme):
    page = open_studio(color_scheme=scheme)
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    page.get_by_role("button", name="Dark" if scheme == "light" else "Light", exact=True).click()
    changed = page.evaluate(background)
    assert changed != before
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate(background) == changed


@pytest.mark.slow
def test_the_theme_is_that_of_the_system_until_one_is_chosen(open_studio):
    page = open_studio(color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).not_to_have_css("background-color", light)
    page.get_by_role("button", name="Light", exact=True).click()
    expect(page.locator("body")).to_have_css("background-color", light)
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_role("button", name="Dark", exact=True)).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", light)
