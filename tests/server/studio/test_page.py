"""The page as a whole: tabs, languages, settings and their checks, and a server that does not answer as it should."""

import re
from dataclasses import replace

import pytest

from photism.server.settings import AccessSettings, AddressSettings
from photism.server.studio.pages import languages
from tests.server.serving import served

from .scripts import MODULE, call

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
expect = sync_api.expect

TABS = ["Draw", "Film", "Hear", "Label", "Transcribe", "Speakers", "Sound", "Live"]
KEY = re.compile(r"^(?:page|controls|problems|recording|draw|film|sound|search|listening|live|history|catalogue)\.")


def choose_example(page):
    page.get_by_role("button", name="elephant").first.click()
    expect(page.locator(".recording-name")).to_contain_text("elephant")


def hear(page):
    page.get_by_role("tab", name="Hear").click()
    page.get_by_role("button", name="Hear", exact=True).click()


def alert(page):
    return page.locator("#panel-hear").get_by_role("alert")


def test_every_verb_has_a_tab(studio):
    tabs = studio.get_by_role("tablist").first.get_by_role("tab")
    assert tabs.all_inner_texts() == TABS
    for name in TABS:
        studio.get_by_role("tab", name=name, exact=True).click()
        studio.get_by_role("tabpanel", name=name).wait_for(state="attached")
        assert studio.url.endswith(f"#{name.lower()}")
    assert studio.title() == "Live · Photism"
    studio.go_back()
    expect(studio.get_by_role("tab", name="Sound")).to_have_attribute("aria-selected", "true")


@pytest.mark.slow
@pytest.mark.parametrize("language", languages())
def test_a_language_is_complete_on_every_tab(open_studio, language):
    page = open_studio(language=language)
    root = page.locator("html")
    expect(root).to_have_attribute("lang", language)
    expect(root).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    for tab in TABS:
        page.evaluate(f"location.hash = '{tab.lower()}'")
        expect(page.locator(f"#panel-{tab.lower()} > *")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        shown = page.locator("body").inner_text().splitlines()
        named = page.evaluate("[...document.querySelectorAll('[aria-label]')].map((each) => each.ariaLabel)")
        assert [each for each in (*shown, *named) if KEY.match(each)] == []


def test_a_chosen_language_is_kept(open_studio):
    page = open_studio(language="de")
    expect(page.locator("html")).to_have_attribute("lang", "en")  # there is no German
    page.get_by_role("combobox", name="Language").select_option("fr")
    expect(page.get_by_role("tab", name="Dessiner")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tab", name="Dessiner")).to_be_visible()
    assert call(page, "page/i18n", "formatNumber", 1234.5).replace("\u202f", " ") == "1 234,5"
    assert call(page, "page/i18n", "formatTime", 65.34) == "1:05,3"


@pytest.mark.slow
def test_a_number_is_checked_before_it_is_sent_and_a_cleared_one_is_the_default(studio):
    choose_example(studio)
    studio.get_by_role("tab", name="Hear").click()
    box = studio.get_by_role("spinbutton", name="How many")
    box.fill("0")
    hear(studio)
    expect(alert(studio)).to_contain_text("“How many” must be at least 1.")
    expect(box).to_be_focused()
    assert box.get_attribute("aria-invalid") == "true"
    box.fill("2")
    hear(studio)
    expect(studio.locator("#panel-hear meter, #panel-hear [role=meter], #panel-hear .meter")).to_have_count(2)
    expect(alert(studio)).to_be_hidden()
    box.clear()
    hear(studio)
    expect(studio.locator("#panel-hear meter, #panel-hear [role=meter], #panel-hear .meter")).to_have_count(5)


@pytest.mark.slow
def test_a_server_that_is_gone_is_said_and_the_last_result_stays(open_studio):
    page = open_studio(allowed_errors=("net::ERR",))
    choose_example(page)
    hear(page)
    meters = page.locator("#panel-hear meter, #panel-hear [role=meter], #panel-hear .meter")
    expect(meters).to_have_count(5)
    page.route("**/v1/hear", lambda route: route.abort())
    hear(page)
    expect(alert(page)).to_have_text("The server does not answer. Check the connection, and try again.")
    expect(meters).to_have_count(5)


@pytest.mark.slow
def test_a_busy_server_is_asked_once_more(open_studio):
    page = open_studio(allowed_errors=("503",))
    asked = []
    problem = '{"type": "/problems/busy", "title": "", "status": 503, "detail": "The queue is full."}'

    def refuse(route):
        asked.append(route.request.url)
        if len(asked) == 2:
            return route.fallback()
        wait = "0" if len(asked) == 1 else "40"
        return route.fulfill(status=503, body=problem, headers={"Retry-After": wait})

    page.route("**/v1/hear", refuse)
    choose_example(page)
    hear(page)
    expect(page.locator("#panel-hear meter, #panel-hear [role=meter], #panel-hear .meter")).to_have_count(5)
    hear(page)
    expect(alert(page)).to_contain_text("The server has too much to do. Try again in 40 s.")
    assert len(asked) == 3


@pytest.mark.slow
def test_a_page_of_an_older_version_asks_to_be_reloaded(open_studio):
    page = open_studio(allowed_errors=("404", "Failed to load"))
    page.route("**/views/film.js", lambda route: route.fulfill(status=404))
    page.get_by_role("tab", name="Film").click()
    expect(page.locator("#panel-film")).to_contain_text("The server has been upgraded. Reload the page.")
    page.unroute("**/views/film.js")
    with page.expect_navigation():
        page.get_by_role("button", name="Reload the page").click()
    expect(page.locator("#panel-film").get_by_role("button", name="Film", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_tab_that_is_opened_while_the_server_is_gone_can_be_tried_again(open_studio):
    page = open_studio(allowed_errors=("ERR_FAILED", "Failed to load"))
    for path in ("**/views/film.js", "**/studio/context.json"):
        page.route(path, lambda route: route.abort())
    page.get_by_role("tab", name="Film").click()
    expect(page.locator("#panel-film")).to_contain_text("The server does not answer.")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#panel-film").get_by_role("button", name="Film", exact=True)).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("root", "password"), [("/photism", None), ("", "sesame")], ids=["below a path", "with a password"]
)
def test_the_page_works_below_a_path_and_with_a_password(open_studio, studio_services, root, password):
    from photism.server.app import create_app

    address, access = AddressSettings(root_path=root), AccessSettings(password=password)
    credentials = {"http_credentials": {"username": "anyone", "password": password}} if password else {}
    with served(create_app(replace(studio_services, address=address, access=access))) as url:
        page = open_studio(url=f"{url}{root}/", **credentials)
        choose_example(page)
        hear(page)
        expect(page.locator("#panel-hear")).to_contain_text("elephant")


BLOCKED_STORAGE = """
  Object.defineProperty(window, "localStorage", {get: () => { throw new DOMException("blocked", "SecurityError"); }});
"""


@pytest.mark.slow
def test_the_page_works_where_the_browser_keeps_nothing(open_studio):
    page = open_studio(init_script=BLOCKED_STORAGE)
    for tab in ("Film", "Live", "Draw"):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_role("tabpanel", name=tab, exact=True)).to_be_visible()
    page.get_by_role("button", name="Settings of the microphone").click()
    page.get_by_label("Remove noise and echo").check()
    page.get_by_role("button", name=re.compile("^(Dark|Light)$")).click()
    page.get_by_label("Language").select_option("fr")
    expect(page.get_by_role("tab", name="Dessiner", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_problem_of_a_field_is_shown_next_to_it(open_studio):
    page = open_studio(allowed_errors=("422",))
    page.get_by_role("button", name=re.compile("elephant")).click()
    panel = page.get_by_role("tabpanel", name="Draw", exact=True)
    panel.get_by_text("All settings").click()
    box = panel.get_by_label("Background", exact=True)
    box.fill("zzz")
    panel.get_by_text("All settings").click()  # which folds them again
    panel.get_by_role("button", name="Draw", exact=True).click()
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(panel.locator("[data-field=background] .field-error")).to_have_text(
        "“Background” needs a colour, such as white or #ff8000."
    )
    box.fill("white")
    expect(box).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.slow
def test_a_slider_of_its_own_can_be_zero(studio):
    value = studio.evaluate(f"""async () => {{
        const {{ createField }} = await import(new URL("./controls/field.js", {MODULE}));
        const {{ createSlider }} = await import(new URL("./controls/slider.js", {MODULE}));
        const slider = () => createSlider({{ min: -1, max: 1, step: 0.1, standard: 0.5 }});
        const field = createField("threshold", {{ type: "number" }}, {{ custom: slider }});
        const before = field.value();
        field.set(0);
        return [before ?? null, field.value()];
    }}""")
    assert value == [None, 0]


@pytest.mark.slow
def test_a_wait_ends_at_once_if_it_is_no_longer_wanted(open_studio):
    page = open_studio(allowed_errors=("503",))
    page.route("**/v1/models?again", lambda route: route.fulfill(status=503, headers={"Retry-After": "9"}, body="{}"))
    waited = page.evaluate(f"""async () => {{
        const {{ get }} = await import(new URL("./page/api.js", {MODULE}));
        const stopped = new AbortController();
        const answer = Response.prototype.json;
        Response.prototype.json = function () {{
            stopped.abort();  // after the answer, and before the wait
            return answer.call(this);
        }};
        const before = performance.now();
        const type = await get("/v1/models?again", {{ signal: stopped.signal }}).catch((problem) => problem.type);
        return [type, performance.now() - before < 5000];
    }}""")
    assert waited == ["cancelled", True]
