"""Links that open a tab with settings: what they hold, and what is said about values that cannot be used."""

import pytest

pytest.importorskip("playwright", reason="the page is tested with playwright")

from playwright.sync_api import expect

MODULE = "(name) => import(new URL(name, document.querySelector('script[type=module]').src))"


def run(page, body, argument=None):
    """Run code that uses the module `links` of the page and `argument`, and return its result."""
    load = f"const links = await ({MODULE})('page/share_link.js');"
    return page.evaluate(f"async (argument) => {{ {load} {body} }}", argument)


def test_a_link_holds_settings_but_no_files_and_is_read_back(studio):
    url = run(
        studio,
        """return links.link("draw", {steps: 6, text: "a & b=ü?#", control_scale: [0.5, 1], strict: true,
             image: new File(["x"], "x.png"), negative: undefined});""",
    )
    base, hash_ = url.split("#")
    assert f"{base}#" == studio.url.split("#")[0] + "#"
    studio.goto(f"{base}#{hash_}")
    expected = {"steps": 6, "text": "a & b=ü?#", "control_scale": [0.5, 1], "strict": True}
    assert run(studio, "return links.openedLink();") == {"verb": "draw", "settings": expected}
    expect(studio.locator(".page-notice")).to_have_count(0)


@pytest.mark.slow
def test_what_a_link_has_that_cannot_be_used_is_named(open_studio):
    page = open_studio("#draw?steps=0&seed=3&image=x.png&colour=red&model=other&guidance_scale=&images=1.5&strict=yes")
    notice = page.get_by_role("status").filter(has_text="cannot be used here")
    for part in ("(0)", "(x.png)", "colour", "(other)", "()", "(1.5)", "(yes)"):
        expect(notice).to_contain_text(part)
    assert run(page, "return links.openedLink();")["settings"] == {"seed": 3}


@pytest.mark.slow
def test_a_link_to_a_tab_that_is_not_there_opens_the_first(open_studio):
    page = open_studio("#paint?steps=3")
    expect(page.get_by_text("The link names a tab that this page does not have: paint")).to_be_visible()
    expect(page.get_by_role("tab", name="Draw")).to_have_attribute("aria-selected", "true")


@pytest.mark.slow
@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_link_is_copied_or_shown(open_studio, is_allowed):
    page = open_studio(permissions=["clipboard-read", "clipboard-write"] if is_allowed else [])
    if not is_allowed:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as without TLS
    run(page, "return links.copyLink('draw', {seed: 5});")
    expect(page.locator(".page-notice")).to_contain_text("without the recording")
    if is_allowed:
        assert page.evaluate("navigator.clipboard.readText()").endswith("/#draw?seed=5")
    else:
        expect(page.locator(".page-notice")).to_contain_text("/#draw?seed=5")
