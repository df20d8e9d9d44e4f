"""The tab Speakers: who spoke when, by names, and whether two recordings are of the same person."""

import json
import re

import pytest

from tests.server.studio.listening import choose_example, open_tab, reopen, saved

expect = pytest.importorskip("playwright.sync_api").expect

TURNS = [
    {"start_s": 0.0, "end_s": 0.5, "speaker": "A", "score": 0.9},
    {"start_s": 0.4, "end_s": 0.6, "speaker": "B", "score": 0.8},
    {"start_s": 0.7, "end_s": 1.0, "speaker": "A", "score": 0.7},
]


def answer(page, turns):
    """Let the server answer with these turns."""
    result = {"file": "elephant.en.ogg", "duration_s": 1.0, "silent": False, "turns": turns}
    body = f"event: result\ndata: {json.dumps(result)}\n\n"
    page.route("**/v1/speakers/timeline", lambda route: route.fulfill(body=body, content_type="text/event-stream"))


def find(page):
    """Find the speakers of an example, and return the tab."""
    choose_example(page, "elephant")
    panel = open_tab(page, "Speakers")
    panel.get_by_role("button", name="Find the speakers").click()
    return panel


def test_speakers_are_found_named_and_saved(studio):
    panel = find(studio)
    names = panel.get_by_role("textbox", name=re.compile("^Name of "))
    expect(names.first).to_be_visible()
    first = names.first.input_value()
    timeline = studio.locator("#recording")
    expect(timeline.get_by_role("slider", name=first)).to_be_visible()
    names.first.fill("Grace Hopper")
    expect(timeline.get_by_role("slider", name="Grace Hopper")).to_be_visible()
    expect(timeline.get_by_role("slider", name=first)).to_have_count(0)
    name, text = saved(studio, panel, "Turns (RTTM)")
    assert name == "elephant.en.rttm"
    assert re.match(r"SPEAKER elephant\.en 1 \d\.\d{3} \d\.\d{3} <NA> <NA> \S+ <NA> <NA>\n", text)
    assert " Grace_Hopper " in text


@pytest.mark.slow
def test_speakers_have_their_times_and_names_survive_a_reload(studio):
    answer(studio, TURNS)
    panel = find(studio)
    expect(panel.get_by_role("heading", name="2 speakers")).to_be_visible()
    expect(panel.locator(".speaker").nth(0)).to_contain_text("0:00.8, 80%, 2 turns")
    expect(panel.locator(".speaker").nth(1)).to_contain_text("0:00.2, 20%, 1 turn")
    panel.get_by_label("Name of B").fill("Ben")
    panel.get_by_label("Name of A").fill(" ")  # nothing is no name
    panel.get_by_label("Name of A").blur()
    expect(panel.get_by_label("Name of A")).to_have_value("A")
    _, text = saved(studio, panel, "JSON")
    assert [turn["speaker"] for turn in json.loads(text)["turns"]] == ["A", "Ben", "A"]
    _, text = saved(studio, panel, "Subtitles (SRT)")
    assert text.splitlines()[:3] == ["1", "00:00:00,000 --> 00:00:00,500", "A"]
    panel.get_by_label("Name of A").fill("Anna")
    reopen(studio, "Speakers")
    expect(panel.get_by_label("Name of A")).to_have_value("Anna")
    expect(panel.get_by_label("Name of B")).to_have_value("Ben")
    expect(studio.locator("#recording").get_by_role("slider", name="Ben")).to_be_visible()


@pytest.mark.slow
def test_nobody_is_said_in_words(studio):
    answer(studio, [])
    panel = find(studio)
    expect(panel.get_by_role("heading", name="Nobody was found who speaks.")).to_be_visible()
    expect(panel.get_by_role("button", name="Save", exact=True)).to_have_count(0)


@pytest.mark.slow
def test_a_recording_is_compared_with_known_voices(studio):
    panel = open_tab(studio, "Speakers")
    compare = panel.get_by_role("button", name="Compare the voices")
    compare.click()
    expect(panel.get_by_role("alert").filter(has_text="known voice")).to_be_visible()
    panel.get_by_role("button", name="Use the recording above").click()
    expect(panel.get_by_role("alert").filter(has_text="Record something first")).to_be_visible()
    choose_example(studio, "elephant")
    panel.get_by_role("button", name="Use the recording above").click()
    compare.click()
    expect(panel.get_by_role("heading", name="Probably the same person")).to_be_visible()
    expect(panel).to_contain_text("Similarity 1.00; from 0.50 on")
    choose_example(studio, "tomato")
    panel.get_by_role("button", name="Use the recording above").click()  # several: their mean
    panel.locator("[data-field=threshold] input[type=range]").press("End")
    compare.click()
    expect(panel.get_by_role("heading", name="Probably different people")).to_be_visible()
    expect(panel).to_contain_text("elephant.en.ogg, tomato.ru.ogg")


@pytest.mark.slow
def test_a_missing_model_is_named_with_what_adds_it(open_studio):
    page = open_studio()
    page.route(
        "**/v1/models",
        lambda route: route.fulfill(json={"data": [{"id": "turns", "kinds": ["diarizer"], "endpoints": []}]}),
    )
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    panel = open_tab(page, "Speakers")
    expect(panel.get_by_role("button", name="Find the speakers")).to_be_visible()
    expect(panel).to_contain_text("no model that compares voices")
    expect(panel).to_contain_text("photism serve --add voices=FOLDER")
    panel = open_tab(page, "Transcribe")
    expect(panel).to_contain_text("no model that transcribes speech")
    expect(panel).to_contain_text("photism serve --add english=facebook/wav2vec2-base-960h")
