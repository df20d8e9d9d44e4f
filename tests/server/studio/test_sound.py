"""The Sound tab: a text becomes a sound, the shared recording, and on request a picture."""

import pytest
from playwright.sync_api import expect

from tests.server.studio.listening import reopen

DURATION = """audio => new Promise(done => {
  const answer = () => audio.readyState && done(audio.duration);
  audio.addEventListener("loadedmetadata", answer);
  answer();
})"""


def make(page, text, *, steps=2):
    page.get_by_label("What should be heard?").fill(text)
    page.get_by_text("All settings").locator("visible=true").click()
    page.locator("#panel-sound [data-field=steps] input").fill(str(steps))
    page.get_by_role("button", name="Make the sound").click()


def test_a_text_becomes_the_shared_recording(open_studio):
    page = open_studio("#sound")
    expect(page.get_by_text("speaks the names of 805 things")).to_be_visible()
    make(page, "a voice says an elephant")
    name = "a voice says an elephant - seed 0.wav"
    expect(page.locator("#recording .recording-name")).to_have_text(name)
    sounds = page.get_by_role("region", name="Sounds").locator("li")
    expect(sounds).to_have_count(1)
    assert sounds.locator("audio").evaluate(DURATION) == pytest.approx(1.92, abs=0.05)


@pytest.mark.slow
def test_attempts_are_ranked_and_can_be_used(open_studio):
    page = open_studio("#sound")
    page.locator("#panel-sound [data-field=candidates] input").fill("2")
    make(page, "an owl")
    sounds = page.get_by_role("region", name="Sounds").locator("li")
    expect(sounds).to_have_count(2)
    expect(sounds.first).to_contain_text("Similarity to the text")
    second = sounds.nth(1)
    name = second.get_by_role("heading").inner_text()
    second.get_by_role("button", name="Use this one").click()
    expect(page.locator("#recording .recording-name")).to_have_text(name)
    reopen(page, "Sound")
    expect(sounds).to_have_count(2)
    expect(sounds.first).to_contain_text("Similarity to the text")
    expect(second.get_by_role("heading")).to_have_text(name)


@pytest.mark.slow
def test_a_text_is_drawn_in_one_go(open_studio):
    page = open_studio("#sound")
    page.get_by_label("Draw it as well").check()
    make(page, "a voice says an elephant", steps=25)
    expect(page.get_by_role("tab", name="Draw")).to_have_attribute("aria-selected", "true", timeout=60_000)
    expect(page.get_by_role("img", name="A drawing of: An elephant")).to_be_visible(timeout=60_000)


@pytest.mark.slow
def test_without_a_text_nothing_is_sent(open_studio):
    page = open_studio("#sound")
    page.get_by_role("button", name="Make the sound").click()
    expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("Write what should be heard.")
