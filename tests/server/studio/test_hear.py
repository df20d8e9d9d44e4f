"""The tab Hear: the nearest captions, what is not known, and windows under the waveform."""

import json
import re

import numpy as np
import pytest

from tests.server.studio.listening import RATE, choose, choose_example, noise, open_tab, saved, spoken, trim_start

expect = pytest.importorskip("playwright.sync_api").expect


def hear(panel):
    panel.get_by_role("button", name="Hear", exact=True).click()


def test_the_nearest_captions_stay_when_the_next_ones_fail(open_studio):
    page = open_studio(allowed_errors=("ERR_FAILED",))
    panel = open_tab(page, "Hear")
    hear(panel)
    expect(panel.get_by_role("alert")).to_contain_text("Record something first")
    choose_example(page, "elephant")
    hear(panel)
    expect(panel.get_by_role("heading", name="An elephant", exact=True)).to_be_visible()
    expect(panel.locator(".ranked-row")).to_have_count(5)
    expect(panel.locator(".ranked-row").first).to_contain_text("1.00")
    page.route("**/v1/hear", lambda route: route.abort())
    hear(panel)
    expect(panel.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(panel.get_by_role("heading", name="An elephant", exact=True)).to_be_visible()


@pytest.mark.slow
def test_own_captions_are_chips_and_the_only_ones(studio):
    panel = open_tab(studio, "Hear")
    choose_example(studio, "banana")
    box = panel.locator(".chips-input input")
    box.fill("A banana.")
    box.press("Enter")
    box.fill("A car.")
    box.press("Enter")
    panel.get_by_role("button", name="Remove A car.").click()
    box.fill("Rain.")  # without Enter
    hear(panel)
    expect(panel.locator(".ranked-label")).to_have_text(["A banana.", "Rain."])
    name, text = saved(studio, panel, "Table (CSV)")
    assert name == "banana.es.csv"
    assert [line.split(",")[3] for line in text.splitlines()] == ["label", "A banana.", "Rain."]


@pytest.mark.slow
def test_a_pasted_list_becomes_a_chip_for_each_line(studio):
    panel = open_tab(studio, "Hear")
    box = panel.locator(".chips-input input")
    box.evaluate(
        """box => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", "A dog.\\nRain, heavy.\\n\\nA dog.");
            box.dispatchEvent(new ClipboardEvent("paste", {clipboardData, cancelable: true, bubbles: true}));
        }"""
    )
    expect(panel.locator(".chips-input li bdi")).to_have_text(["A dog.", "Rain, heavy."])
    box.press("Backspace")
    expect(box).to_have_value("Rain, heavy.")


@pytest.mark.slow
def test_noise_is_no_known_sound_and_silence_is_nothing_to_hear(studio):
    panel = open_tab(studio, "Hear")
    result = panel.locator(".listening-result")
    choose(studio, "noise.wav", noise(2))
    hear(panel)
    expect(panel.get_by_role("heading", name="No known sound recognised")).to_be_visible()
    expect(result).to_contain_text("The closest guess is “")
    assert not any(character.isdigit() for character in result.inner_text())
    choose(studio, "silence.wav", np.zeros(2 * RATE))
    hear(panel)
    expect(panel.get_by_role("heading", name="There is nothing to hear in the recording.")).to_be_visible()
    expect(result).not_to_contain_text("closest")


@pytest.mark.slow
def test_windows_are_a_timeline_that_follows_the_playback(studio):
    panel = open_tab(studio, "Hear")
    choose(studio, "words.wav", spoken("banana", "elephant"))
    panel.locator("[data-field=window] input").fill("1")
    hear(panel)
    expect(panel.locator(".segment").first).to_contain_text("A banana")
    timeline = studio.locator("#recording").get_by_role("slider", name="Timeline")
    expect(timeline).to_have_attribute("aria-valuetext", re.compile("A banana, 0:00.0 to "))
    expect(panel).to_contain_text("Play the recording")
    timeline.press("Home")  # plays the first segment
    expect(panel.locator(".ranked-label").first).to_have_text("A banana")
    name, text = saved(studio, panel, "JSON")
    assert name == "words.json"
    assert json.loads(text)["windows"][0]["scores"][0]["label"] == "A banana."
    _, track = saved(studio, panel, "Audacity labels")
    assert track.startswith("0.000000\t")
    open_tab(studio, "Draw")
    expect(timeline).to_have_count(0)
    open_tab(studio, "Hear")
    expect(timeline).to_be_visible()
    choose_example(studio, "tomato")
    expect(timeline).to_have_count(0)


@pytest.mark.slow
def test_windows_of_a_part_have_the_times_of_the_whole_recording(studio):
    panel = open_tab(studio, "Hear")
    choose(studio, "words.wav", spoken("banana", "elephant", "tomato"))
    trim_start(studio)
    panel.locator("[data-field=window] input").fill("1")
    hear(panel)
    expect(panel.locator(".segment").first).to_contain_text(re.compile(r"^0:01\.\d – .*An elephant"))
    timeline = studio.locator("#recording").get_by_role("slider", name="Timeline")
    expect(timeline).to_have_attribute("aria-valuetext", re.compile(r", 0:01\.\d to "))
    timeline.press("Home")
    expect(panel.locator(".labels-now h3")).to_have_text(re.compile(r"^0:01\.\d – "))
    _, text = saved(studio, panel, "Audacity labels")
    assert text.startswith("1.")


@pytest.mark.slow
def test_a_link_and_the_history_bring_settings_and_results_back(open_studio):
    page = open_studio("#hear?top_k=2&label=A+banana.&label=Rain.&label=A+dog.")
    panel = page.get_by_role("tabpanel", name="Hear")
    expect(panel.locator(".chips-input li")).to_have_count(3)
    choose_example(page, "banana")
    hear(panel)
    expect(panel.locator(".ranked-label")).to_have_count(2)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.get_by_role("option", name=re.compile("^Hear")).click()
    page.locator("#history").get_by_role("button", name="Open again").click()
    expect(panel.get_by_role("heading", name="A banana")).to_be_visible()
    expect(panel.locator("[data-field=top_k] input")).to_have_value("2")


@pytest.mark.slow
def test_captions_are_named_in_the_language_of_the_page(open_studio):
    page = open_studio("#hear", language="es")
    panel = page.get_by_role("tabpanel")
    choose_example(page, "strawberry")
    panel.locator(".run .primary").click()
    expect(panel.get_by_role("heading").first).to_have_text("una fresa", ignore_case=True)
