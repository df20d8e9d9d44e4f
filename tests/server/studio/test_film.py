"""The Film tab: films that go on without the page, Stop, Resume, a preview and a storyboard, and expiry."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browsers import LONG_WAIT_MS


@pytest.fixture(autouse=True)
def _forget_films(studio_services: Any) -> Any:
    """Remove the films of a test, of which a visitor may have a few only."""
    yield
    films = studio_services.films
    for job in list(films._jobs.values()):
        films.remove(job)


def open_film(open_studio: Any, **options: Any) -> Any:
    page = open_studio("#film", **options)
    page.get_by_role("button", name=re.compile("elephant")).first.click()
    expect(page.locator("#recording .recording-name")).to_have_text("elephant.en.ogg")
    return page


def start(page: Any, kind: Any = "Film", **fields: Any) -> Any:
    """Begin a film with fields by their names in requests, and return its card."""
    page.get_by_role("radio", name=kind, exact=True).check()
    page.get_by_text("All settings").locator("visible=true").click()
    for name, value in {"steps": 1, "fps": 4, **fields}.items():
        page.locator(f"#panel-film [data-field={name}] input").fill(str(value))
    page.get_by_role("button", name="Film", exact=True).click()
    return page.locator(".film-card").first


def test_a_storyboard_is_drawn_and_found_again_after_a_reload(open_studio: Any) -> None:
    page = open_film(open_studio)
    card = start(page, "Storyboard", stills=2)
    expect(card.get_by_role("img", name="Frames of a film of elephant.en.ogg")).to_be_visible()
    expect(card).to_contain_text("elephant.en.storyboard.png")
    expect(card).to_contain_text("The server keeps it for 60 minutes")
    with page.expect_download() as download:
        card.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "elephant.en.storyboard.png"
    page.reload()
    expect(page.locator(".film-card")).to_have_count(1)
    expect(page.locator(".film-card img")).to_be_visible()
    page.locator(".film-card").get_by_role("button", name="Delete").click()
    expect(page.locator(".film-card")).to_have_count(0)
    page.get_by_role("option", name=re.compile("^Film")).click()  # which the history still has
    page.locator("#history").get_by_role("button", name="Open again").click()
    expect(card.get_by_role("img", name="Frames of a film of elephant.en.ogg")).to_be_visible()


@pytest.mark.slow
def test_a_film_is_stopped_and_resumed_and_plays(open_studio: Any) -> None:
    page = open_film(open_studio)
    card = start(page, fps=25, steps=4)
    card.get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("Stopped after")
    card.get_by_role("button", name="Resume").click()
    expect(card).to_contain_text(re.compile(r"\d+ of 29 frames"))
    video = card.locator("video")
    expect(video).to_be_visible(timeout=LONG_WAIT_MS)
    assert video.evaluate(
        "video => new Promise(done => video.readyState ? done(true) : video.onloadedmetadata = () => done(true))"
    )
    assert video.evaluate("video => video.duration") == pytest.approx(1.16, abs=0.1)
    expect(page.get_by_role("region", name="History").locator("li, article, button").first).to_be_visible()


@pytest.mark.slow
def test_a_film_goes_on_when_the_page_is_left(open_studio: Any) -> None:
    page = open_film(open_studio)
    start(page, fps=25, steps=4)
    expect(page.locator(".film-card")).to_contain_text("frames")
    page.reload()
    expect(page.locator(".film-card video")).to_be_visible(timeout=LONG_WAIT_MS)


@pytest.mark.slow
def test_a_film_that_has_expired_can_be_drawn_again(open_studio: Any, studio_services: Any) -> None:
    page = open_film(open_studio, allowed_errors=("404", "410"))
    card = start(page, "Storyboard", stills=1)
    expect(card.get_by_role("img")).to_be_visible()
    for job in list(studio_services.films._jobs.values()):
        studio_services.films.remove(job)
    page.reload()
    card = page.locator(".film-card")
    expect(card).to_contain_text("was kept for 60 minutes and has been deleted")
    page.get_by_role("button", name=re.compile("elephant")).first.click()
    expect(page.locator("#recording .recording-name")).to_have_text("elephant.en.ogg")
    card.get_by_role("button", name="Draw it again").click()
    expect(page.locator(".film-card").get_by_role("img")).to_be_visible()
    assert page.get_by_role("radio", name="Storyboard").is_checked()


@pytest.mark.slow
def test_too_many_films_are_refused_in_words(open_studio: Any) -> None:
    page = open_film(open_studio, allowed_errors=("429",))
    for count in range(1, 5):
        start_again(page) if count > 1 else start(page, "Storyboard", stills=1)
        expect(page.locator(".film-card")).to_have_count(count)
    start_again(page)
    expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("Delete one first")
    expect(page.locator(".film-card")).to_have_count(4)


def start_again(page: Any) -> None:
    page.get_by_role("button", name="Film", exact=True).click()


@pytest.mark.slow
def test_without_a_recording_nothing_is_sent(open_studio: Any) -> None:
    page = open_studio("#film")
    page.get_by_role("button", name="Film", exact=True).click()
    expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("Record something first")
    assert json.loads(page.evaluate("localStorage.getItem('photism.films') ?? '[]'")) == []


@pytest.mark.slow
def test_a_proxy_that_breaks_events_is_not_asked_without_a_pause(open_studio: Any) -> Any:
    page = open_film(open_studio, allowed_errors=("502",))
    asked = []

    def break_events(route: Any) -> Any:
        if route.request.headers["accept"] != "text/event-stream":
            return route.continue_()
        asked.append(route.request.url)
        return route.fulfill(status=502)

    page.route("**/v1/film/*", break_events)
    start(page, fps=25, steps=4)
    expect(page.locator(".film-card video")).to_be_visible(timeout=LONG_WAIT_MS)
    assert 1 <= len(asked) <= 6


@pytest.mark.slow
def test_a_film_that_could_not_be_fetched_reaches_the_history_later(open_studio: Any) -> None:
    page = open_film(open_studio, allowed_errors=("502",))

    def refuse(route: Any) -> None:
        route.fulfill(status=502)

    page.route("**/v1/film/*/result", refuse)
    start(page, "Storyboard", stills=1)
    expect(page.locator(".film-card")).to_contain_text("The server keeps it")
    assert "isSaved" not in page.evaluate("localStorage.getItem('photism.films')")
    page.unroute("**/v1/film/*/result")
    page.reload()
    expect(page.get_by_role("region", name="History").locator("li, article, button").first).to_be_visible()
    assert '"isSaved":true' in page.evaluate("localStorage.getItem('photism.films')")
