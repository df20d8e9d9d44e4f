"""The tab Label: classes of a classifier with their probabilities."""

import pytest

from tests.server.studio.listening import choose, choose_example, open_tab, saved, spoken

expect = pytest.importorskip("playwright.sync_api").expect


def test_classes_are_shown_with_their_probabilities(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Label")
    panel.get_by_role("button", name="Label", exact=True).click()
    expect(panel.get_by_role("heading", name="English")).to_be_visible()
    expect(panel.locator(".ranked-row")).to_have_count(5)
    expect(panel.locator(".ranked-row").first).to_contain_text("%")


@pytest.mark.slow
def test_windows_have_a_timeline_and_a_file(studio):
    choose(studio, "words.wav", spoken("elephant", "tomato"))
    panel = open_tab(studio, "Label")
    panel.locator("[data-field=window] input").fill("1")
    panel.get_by_role("button", name="Label", exact=True).click()
    expect(panel.locator(".segment").first).to_be_visible()
    expect(studio.locator("#recording").get_by_role("slider", name="Timeline")).to_be_visible()
    name, text = saved(studio, panel, "Table (CSV)")
    assert (name, text.splitlines()[0]) == ("words.csv", "file,start_s,end_s,label,score")


@pytest.mark.slow
def test_logits_are_not_shown_as_percentages(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Label")
    panel.get_by_text("All settings").click()
    panel.locator("[data-field=function] select").select_option("none")
    panel.get_by_role("button", name="Label", exact=True).click()
    expect(panel.get_by_role("heading", name="English")).to_be_visible()
    expect(panel.locator(".ranked-row").first).not_to_contain_text("%")


@pytest.mark.slow
def test_a_length_that_cannot_be_is_named_before_anything_is_sent(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Label")
    panel.locator("[data-field=window] input").fill("0")
    panel.get_by_role("button", name="Label", exact=True).click()
    expect(panel.get_by_role("alert")).to_contain_text("Length of a window")
