"""What to say: the list that the page opens with, its search, and the names of a thing."""

import json

import pytest

pytest.importorskip("playwright", reason="the page is tested with playwright")

from playwright.sync_api import expect

TITLE = "Name one of 805 things, in 12 languages"
PLAIN = {"model": "plain", "translations": {}, "languages": None, "thumbnails": None}
"""What is known of a model with captions alone, or without them."""


@pytest.fixture
def search(studio):
    """Return the search field of the page, when the list is there."""
    field = studio.get_by_role("searchbox", name="Search the things")
    field.wait_for()
    return field


def shown(page):
    """Return the names of the things that are listed."""
    return page.locator("#catalogue [role=option]:not([hidden])").all_text_contents()


def test_a_thing_is_found_and_its_names_and_a_recording_are_offered(studio, search):
    expect(studio.get_by_role("heading", name=TITLE)).to_be_visible()
    names = shown(studio)
    assert len(names) == 805
    assert {"A banana", "An elephant"} < set(names[:6])  # of which there are recordings
    search.fill("ELEPHANT")
    assert shown(studio) == ["An elephant"]
    expect(studio.locator("#catalogue").get_by_text("1 thing")).to_be_visible()
    search.press("Enter")
    words = studio.locator(".catalogue-words")
    expect(words.locator("dd[lang=fr]")).to_have_text("Un éléphant")
    expect(words.locator("dd[lang=ru]")).to_have_text("Слон")
    words.get_by_role("button", name="Use a recording of it (English)").click()
    expect(studio.locator("#recording").get_by_text("elephant.en.ogg")).to_be_visible()
    expect(studio.locator(".catalogue-list")).to_be_hidden()  # the result takes its place


@pytest.mark.slow
def test_the_list_is_used_by_keyboard_alone(studio, search):
    search.fill("cow")
    first, second = shown(studio)[:2]
    assert first == "A cow"
    search.press("ArrowDown")
    expect(studio.get_by_role("option", name=first, exact=True)).to_be_focused()
    studio.keyboard.press("ArrowRight")
    expect(studio.get_by_role("option", name=second, exact=True)).to_be_focused()
    studio.keyboard.press("Enter")
    expect(studio.locator(".catalogue-words dd[lang=en]")).to_have_text(second)
    studio.keyboard.press("Home")
    expect(studio.get_by_role("option", name=first, exact=True)).to_be_focused()
    studio.get_by_role("button", name="Show all").click()
    expect(studio.get_by_role("button", name="Show fewer")).to_have_attribute("aria-expanded", "true")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "query", "name"),
    [
        ("fr-CA", "elephant", "Un éléphant"),
        ("fr-CA", "Un ÉLÉPHANT", "Un éléphant"),
        ("fr-CA", "an owl", "Un hibou"),
        ("ro", "fluture", "Un fluture"),  # in which the page is not
        ("zh-CN", "象", "象"),
    ],
)
def test_a_search_takes_the_language_of_the_visitor_and_english(open_studio, language, query, name):
    page = open_studio(language=language)
    page.get_by_role("searchbox").fill(query)
    assert shown(page)[0] == name
    page.get_by_role("option").filter(visible=True).first.click()
    own = page.locator(f".catalogue-words dd[lang={language[:2]}]")
    expect(page.locator(".catalogue-words dd").first).to_be_visible()
    expect(own).to_have_count(int(language != "zh-CN"))  # which the model does not understand
    expect(page.locator(".catalogue-words").get_by_text("中文")).to_have_count(int(language == "zh-CN"))


@pytest.mark.slow
@pytest.mark.parametrize(("status", "captions"), [(200, []), (422, ["Rain."])])
def test_a_model_without_captions_has_no_list(open_studio, status, captions):
    page = open_studio(allowed_errors=("422",))
    answer = json.dumps(PLAIN | {"captions": captions})
    page.route("**/v1/captions?*", lambda route: route.fulfill(status=status, body=answer))
    page.reload()
    expect(page.locator("#catalogue")).to_be_hidden()


@pytest.mark.slow
def test_without_thumbnails_the_names_alone_are_listed(open_studio):
    page = open_studio()
    page.route("**/v1/captions?*", lambda route: route.fulfill(body=json.dumps(PLAIN | {"captions": ["Rain."]})))
    page.reload()
    page.get_by_role("option", name="Rain").click()
    expect(page.get_by_role("heading", name="Name one of 1 things")).to_be_visible()
    expect(page.locator(".catalogue-words dd")).to_have_text("Rain")
    expect(page.locator(".catalogue-tile")).to_have_count(0)
