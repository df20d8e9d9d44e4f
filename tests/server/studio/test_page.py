"""The page as a whole: it opens, and its tabs are in its address."""

import pytest

pytest.importorskip("playwright", reason="the page is tested with playwright")

TABS = ["Draw", "Film", "Hear", "Label", "Transcribe", "Speakers", "Sound", "Live"]


def test_every_verb_has_a_tab(studio):
    tabs = studio.get_by_role("tablist").get_by_role("tab")
    assert tabs.all_inner_texts() == TABS
    for name in TABS:
        studio.get_by_role("tab", name=name).click()
        studio.get_by_role("tabpanel", name=name).wait_for(state="attached")
        assert studio.url.endswith(f"#{name.lower()}")
    assert studio.title() == "Live · Photism"
