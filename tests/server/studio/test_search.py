"""The Search tab: words, the recording on top, and a result as the next recording."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from photism.server.collection import Collection
from tests.server.serving import served

pytest.importorskip("lance")


@pytest.fixture(scope="module")
def search_url(make_client, server_registry, collection) -> Iterator[str]:
    """Return the address of a server with a collection."""
    with served(make_client(server_registry, collection=Collection(str(collection), server_registry)).app) as url:
        yield f"{url}/"


@pytest.fixture
def page(open_studio, search_url):
    """Return the page at the Search tab."""
    return open_studio("#search", url=search_url)


def search(page, text):
    page.get_by_label("What are you looking for?").fill(text)
    page.get_by_role("button", name="Search", exact=True).click()
    return page.get_by_role("region", name="Results").locator("li")


def test_words_find_a_recording_that_becomes_the_shared_one(page):
    expect(page.get_by_text("5 recordings in “sounds”.")).to_be_visible()
    hits = search(page, "un elefante")
    expect(hits).to_have_count(5)
    expect(page.get_by_role("region", name="Results")).to_contain_text("“un elefante” is taken for “An elephant”.")
    expect(hits.first).to_contain_text("animals/elephant.en.ogg")
    expect(hits.first).to_contain_text("An elephant")
    hits.first.get_by_role("button", name="Use this recording").click()
    expect(page.locator("#recording .recording-name")).to_have_text("elephant.en.ogg")
    player = hits.first.locator("audio")
    player.evaluate("audio => { audio.muted = true; return audio.play(); }")
    assert player.evaluate("audio => audio.duration") == pytest.approx(1.137, abs=0.05)


@pytest.mark.slow
def test_words_that_no_recording_fits_are_said(page):
    hits = search(page, "airplane")
    expect(hits).to_have_count(5)
    results = page.get_by_role("region", name="Results")
    expect(results).to_contain_text("No recording fits “airplane”. These are the nearest:")
    search(page, "a dolphin")
    expect(results).to_contain_text("5 recordings, the most similar first.")
    expect(hits.first).to_contain_text("dolphin.ro.ogg")


@pytest.mark.slow
def test_what_is_similar_to_a_result_or_the_recording_is_found(page):
    hits = search(page, "a dolphin")
    expect(hits.first).to_contain_text("dolphin.ro.ogg")
    hits.nth(4).get_by_role("button", name="Similar to this").click()
    expect(hits.first).not_to_contain_text("dolphin.ro.ogg")
    page.get_by_role("button", name="banana").first.click()
    expect(page.locator("#recording .recording-name")).to_have_text("banana.es.ogg")
    page.get_by_label("What are you looking for?").fill("")
    page.get_by_label("Similar to the recording on top").check()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(hits.first).to_contain_text("banana.es.ogg")


@pytest.mark.slow
def test_mistakes_are_said_in_words(open_studio, search_url):
    page = open_studio("#search", url=search_url, allowed_errors=("422",))
    page.get_by_role("button", name="Search", exact=True).click()
    alert = page.get_by_role("alert").locator("visible=true")
    expect(alert).to_contain_text("Write what you are looking for")
    page.get_by_text("All settings").locator("visible=true").click()
    page.locator("[data-field=where] input").fill("duration_s < 0")
    search(page, "a dog")
    expect(page.get_by_role("region", name="Results")).to_contain_text("No recording of the collection fits")
    page.locator("[data-field=where] input").fill("duraton_s < 0")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(alert).to_contain_text("The columns are id, location")


@pytest.mark.slow
def test_without_a_collection_there_is_no_tab(studio):
    expect(studio.get_by_role("tab", name="Draw")).to_be_visible()
    expect(studio.get_by_role("tab", name="Search")).to_have_count(0)
