"""Browsers that wait for an audio output without end, as Firefox does."""

from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")

WAIT_WITHOUT_END = """() => {
  const wait = setTimeout;
  globalThis.setTimeout = (action, milliseconds) => wait(action, milliseconds / 20);
  AudioContext.prototype.resume = () => new Promise(() => {});
}"""


@pytest.mark.slow
def test_a_recording_without_an_audio_output_is_explained(studio: Any) -> None:
    studio.evaluate(WAIT_WITHOUT_END)
    button = studio.locator("#recording").get_by_role("button", name="Record", exact=True)
    button.click()
    sync_api.expect(studio.get_by_role("alert").filter(has_text="needs an audio output")).to_be_visible()
    sync_api.expect(button).to_be_enabled()
