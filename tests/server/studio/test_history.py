"""What was made: it survives a reload, is bounded, and is opened, repeated, morphed, downloaded and deleted."""

import json
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page is tested with playwright")

from PIL import Image
from playwright.sync_api import expect

from photism.hub import bundled_model
from tests.server.studio.test_drop import DROP

MODULES = """
const load = (name) => import(new URL(name, document.querySelector("script[type=module]").src));
const { history } = await load("history/history.js");
const { recording } = await load("recording/recording.js");
const picture = async (hue) => {
  const canvas = new OffscreenCanvas(8, 8);
  const context = canvas.getContext("2d");
  context.fillStyle = `hsl(${hue} 80% 60%)`;
  context.fillRect(0, 0, 8, 8);
  return canvas.convertToBlob({ type: "image/png" });
};
const tell = (value) => (document.documentElement.dataset.told = JSON.stringify(value));
const add = async (caption, changes = {}) => {
  const blob = await picture(caption.length * 40);
  const said = await (await fetch("studio/examples/elephant.en.ogg")).blob();
  const sound = new File([said], "said.ogg", { type: "audio/ogg" });
  const alt = `A drawing of: ${caption}`;
  return history.add({
    verb: "draw", recording: sound, seed: 7, settings: { steps: 6 }, caption, known: true,
    results: [{ blob, kind: "image", name: "picture.png", alt }], ...changes,
  });
};
"""


def run(page, body, argument=None):
    """Run code that uses `MODULES` and `argument` in a page, and return its result."""
    return page.evaluate(f"async (argument) => {{ {MODULES} {body} }}", argument)


def told(page):
    """Wait until code of a page has called `tell`, and return what it told."""
    page.wait_for_selector("html[data-told]", state="attached")
    return json.loads(page.locator("html").get_attribute("data-told"))


def strip(page):
    """Return the entries that the page shows."""
    return page.get_by_role("listbox", name="What you made").get_by_role("option")


def listed(page, *names):
    """Wait until the page shows entries of these names, the newest first."""
    expect(strip(page)).to_have_count(len(names))
    assert [each.get_attribute("aria-label") for each in strip(page).all()] == [f"Draw: {name}" for name in names]


def choose(page, name, action):
    """Choose an entry, and press a button of its details."""
    strip(page).filter(has_text=name).click()
    page.locator(".history-details").get_by_role("button", name=action).click()


def test_entries_survive_a_reload_and_are_opened_with_their_recording(studio):
    run(studio, 'await add("An owl."); await add("A dog.");')
    listed(studio, "A dog", "An owl")
    studio.reload()
    listed(studio, "A dog", "An owl")
    studio.goto(f"{studio.url.split('#')[0]}#hear")
    expect(studio.get_by_role("tab", name="Hear")).to_have_attribute("aria-selected", "true")
    strip(studio).filter(has_text="An owl").click()
    details = studio.locator(".history-details")
    expect(details.get_by_role("img", name="A drawing of: An owl.")).to_be_visible()
    expect(details.locator("audio")).to_have_count(1)
    expect(details.get_by_role("definition")).to_have_text("6")
    expect(details.get_by_text("seed 7")).to_be_visible()
    run(studio, 'history.register("draw", {open: (entry) => tell([entry.caption, entry.settings])});')
    details.get_by_role("button", name="Open again").click()
    expect(studio.get_by_role("tab", name="Draw")).to_have_attribute("aria-selected", "true")
    assert told(studio) == ["An owl.", {"steps": 6}]
    assert run(studio, "return [recording.current.name, (await recording.file()).size];") == [
        "said.ogg",
        (bundled_model() / "examples/elephant.en.ogg").stat().st_size,
    ]


@pytest.mark.slow
def test_what_is_deleted_in_one_tab_of_the_browser_is_gone_in_the_others(studio):
    run(studio, 'window.owl = await add("An owl."); await add("A dog.");')
    listed(studio, "A dog", "An owl")
    other = studio.context.new_page()
    other.goto(studio.url)
    listed(other, "A dog", "An owl")
    choose(other, "A dog", "Delete")
    listed(studio, "An owl")
    other.get_by_role("button", name="Delete all").click()
    other.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    listed(studio)
    run(studio, 'await history.update(window.owl, { caption: "A hawk." });')
    studio.reload()
    expect(studio.locator("html[data-ready]")).to_be_attached()
    listed(studio)


def test_a_button_on_top_leads_to_the_history(open_studio):
    page = open_studio(width=390)
    button = page.get_by_role("button", name="History", exact=True)
    expect(button).to_be_hidden()
    run(page, 'await add("An owl.");')
    button.click()
    expect(page.get_by_role("heading", name="What you made")).to_be_focused()
    expect(strip(page).first).to_be_in_viewport()


@pytest.mark.slow
def test_a_morph_is_of_two_chosen_pictures_in_their_order(studio):
    run(
        studio,
        """for (const each of ["An owl.", "A dog.", "A cow."]) await add(each);
        history.register("draw", {morph: (pair) => tell(pair.map(({caption}) => caption))});""",
    )
    choose(studio, "An owl", "Morph with another")
    expect(studio.get_by_text("Now choose the picture that it turns into.")).to_be_visible()
    studio.keyboard.press("ArrowRight")  # from the first picture that can be chosen
    studio.keyboard.press("Enter")
    assert told(studio) == ["An owl.", "A dog."]
    run(studio, 'await add("An owl. + A dog.");')
    expect(strip(studio).first).to_have_accessible_name("Draw: An owl + A dog")


@pytest.mark.slow
def test_a_morph_is_chosen_on_when_something_is_made_meanwhile(studio):
    run(
        studio,
        """await add("An owl."); await add("A dog.");
        history.register("draw", {morph: (pair) => tell(pair.map(({caption}) => caption))});""",
    )
    choose(studio, "An owl", "Morph with another")
    run(studio, 'await add("A film.", {verb: "film"});')
    expect(strip(studio)).to_have_count(3)
    expect(studio.get_by_text("Now choose the picture that it turns into.")).to_be_visible()
    expect(strip(studio).filter(has_text="A dog")).to_be_focused()
    studio.keyboard.press("Enter")
    assert told(studio) == ["An owl.", "A dog."]


@pytest.mark.slow
def test_an_entry_is_downloaded_by_a_telling_name_and_deleted(studio):
    run(studio, 'await add("An owl."); await add("A dog.", {name: "my/dog: 1?.wav"});')
    with studio.expect_download() as download:
        choose(studio, "A dog", "Download")
    assert download.value.suggested_filename == "my dog 1 - A dog - seed 7.png"
    studio.locator(".history-details").get_by_role("button", name="Delete").click()
    listed(studio, "An owl")
    studio.get_by_role("button", name="Delete all").click()
    studio.get_by_role("dialog").get_by_role("button", name="Close").click()
    listed(studio, "An owl")
    studio.get_by_role("button", name="Delete all").click()
    studio.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(strip(studio)).to_have_count(0)
    studio.reload()
    studio.wait_for_selector("html[data-ready]", state="attached")
    assert run(studio, "return (await load('history/store.js').then((each) => each.openStore())).entries.length;") == 0


@pytest.mark.slow
@pytest.mark.parametrize("action", ["again", "vary"])
def test_an_entry_is_repeated_and_varied_by_its_view(studio, action):
    run(studio, f'await add("An owl."); history.register("draw", {{{action}: () => tell("{action}")}});')
    choose(studio, "An owl", {"again": "Once more", "vary": "Vary"}[action])
    assert told(studio) == action


@pytest.mark.slow
def test_all_kinds_of_results_are_shown(studio):
    run(
        studio,
        """const text = new Blob(["one\\ntwo"], {type: "text/plain"});
        await add("unknown", {known: false});
        await add("talk", {verb: "transcribe", seed: null, caption: null,
          results: [{blob: text, kind: "text", name: "talk.txt", alt: "one two"}]});
        const sound = await (await fetch("studio/examples/banana.es.ogg")).blob();
        await add("a text", {verb: "sound", recording: null,
          results: [{blob: sound, kind: "audio", name: "s.ogg", alt: "a text"}]});
        const film = new Blob(["no film"], {type: "video/mp4"});
        await add("a film", {verb: "film", caption: null,
          results: [{blob: film, kind: "video", name: "f.mp4", alt: "a film"}]});""",
    )
    expect(strip(studio)).to_have_count(4)
    names = [each.get_attribute("aria-label") for each in strip(studio).all()]
    assert names == ["Film: a film", "Sound: a text", "Transcribe: one two", "Draw: No known sound recognised"]
    details = studio.locator(".history-details")
    strip(studio).nth(2).click()
    expect(details.get_by_role("paragraph").filter(has_text="one two")).to_be_visible()
    expect(details.get_by_role("button", name="Vary")).to_be_hidden()
    run(
        studio,
        """const results = [{blob: new Blob(["three"]), kind: "text", name: "t", alt: "3"}];
        await history.update(history.entries[2], {results});""",
    )
    expect(details.get_by_text("three")).to_be_visible()
    strip(studio).nth(1).click()
    expect(details.locator("audio")).to_have_count(1)


@pytest.mark.slow
def test_the_store_keeps_as_many_entries_and_bytes_as_it_may(studio):
    kept = run(
        studio,
        """const {openStore} = await load("history/store.js");
        const counts = [];
        for (const limits of [{maxEntries: 2}, {maxBytes: 250}, {maxBytes: 1}]) {
          const store = await openStore(limits);
          await store.clear();
          for (const id of ["1", "2", "3"]) {
            const recording = new Blob(["x".repeat(100)]);
            await store.put({id, createdAt: Number(id), recording, results: [], settings: {}});
          }
          counts.push((await openStore()).entries.map((entry) => entry.id));
        }
        return counts;""",
    )
    assert kept == [["2", "3"], ["2", "3"], ["3"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(globalThis, 'indexedDB', {value: undefined})",
        "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }",
        "IDBFactory.prototype.open = () => { throw new Error('private'); }",
    ],
)
def test_without_room_in_the_browser_the_history_works_until_the_page_is_left(open_studio, broken):
    page = open_studio()
    page.add_init_script(broken)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    run(page, 'await add("An owl."); await add("A dog.");')
    expect(page.get_by_text("This browser keeps nothing")).to_be_visible()
    listed(page, "A dog", "An owl")


@pytest.mark.slow
def test_names_of_files_suit_every_file_system(studio):
    names = run(
        studio,
        """const {resultName} = await load("page/download.js");
        return [["elephant.en.ogg", "An elephant.", 7, ".png"], [null, null, null, ".txt"],
          ["CON.wav", null, null, ".wav"], ["...", "", 0, ".png"], ["a".repeat(300), "b", 1, ".png"],
          ["fête\\u0000\\n.mp3", "Слон.", 2, ".png"]]
          .map((each) => resultName(...each));""",
    )
    assert names == [
        "elephant.en - An elephant - seed 7.png",
        "photism.txt",
        "photism CON.wav",
        "- seed 0.png",
        names[4],
        "fête - Слон - seed 2.png",
    ]
    assert len(names[4]) <= 110
    assert not names[3].startswith(".")


@pytest.mark.slow
def test_a_drawing_is_repeated_varied_morphed_and_restored_from_its_file_and_its_link(open_studio):
    page = open_studio("#draw?seed=5&steps=2", accept_downloads=True)
    panel = page.get_by_role("tabpanel", name="Draw")
    expect(panel.get_by_role("spinbutton", name="Seed")).to_have_value("5")
    page.get_by_role("button", name="elephant").click()
    expect(page.locator(".recording-name")).to_contain_text("elephant")
    panel.get_by_role("button", name="Draw", exact=True).click()
    expect(strip(page)).to_have_count(1)
    first = download(page)
    page.reload()
    choose(page, "An elephant", "Once more")
    expect(strip(page)).to_have_count(2)
    assert pixels(download(page)) == pixels(first)
    page.locator(".history-details").get_by_role("button", name="Vary").click()
    expect(strip(page)).to_have_count(3)
    assert pixels(download(page)) != pixels(first)
    page.locator(".history-details").get_by_role("button", name="Morph with another").click()
    page.keyboard.press("Enter")
    expect(strip(page)).to_have_count(4)
    page.evaluate(DROP, ["first.png", "image/png", list(first)])
    expect(page.locator(".page-notice")).to_contain_text("The settings of first.png are back in the tab Draw.")
    expect(panel.get_by_role("spinbutton", name="Seed")).to_have_value("5")
    expect(panel.get_by_role("spinbutton", name="Steps")).to_have_value("2")


def download(page):
    """Return the file of the newest entry."""
    newest = strip(page).first
    if newest.get_attribute("aria-selected") != "true":
        newest.click()
    with page.expect_download() as found:
        page.locator(".history-details").get_by_role("button", name="Download").click()
    return Path(found.value.path()).read_bytes()


def pixels(png):
    """Return the pixels of a picture."""
    return Image.open(BytesIO(png)).tobytes()
