"""Recordings and steps that the tests of the listening tabs share."""

import io
import re
import wave

import numpy as np

from photism import load_waveform
from photism.hub import bundled_model

RATE = 16_000


def wav(samples):
    """Return samples from -1 to 1 as a WAV file of 16 bits."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return data.getvalue()


def noise(seconds):
    """Return quiet noise."""
    return np.random.default_rng(0).standard_normal(int(seconds * RATE)) * 0.1


def spoken(*names, pause_s=0.5):
    """Return example recordings one after the other, with pauses."""
    folder = bundled_model() / "examples"
    parts = [load_waveform(next(folder.glob(f"{name}.*.ogg"))).samples for name in names]
    return np.concatenate([np.concatenate([part, np.zeros(int(pause_s * RATE))]) for part in parts])


def choose(page, name, samples):
    """Choose a file with samples as the recording of the page."""
    file = {"name": name, "mimeType": "audio/wav", "buffer": wav(samples)}
    page.locator("#recording input[type=file]").first.set_input_files(file)
    page.locator("#recording").get_by_text(name, exact=True).wait_for()


def choose_example(page, name):
    """Choose an example as the recording of the page."""
    page.locator("#recording").get_by_role("button", name=re.compile(f"^{name}")).click()
    page.locator("#recording").get_by_text(re.compile(rf"^{name}\.\w+\.ogg$")).wait_for()


def open_tab(page, name):
    """Open a tab, and return its panel."""
    page.get_by_role("tab", name=name, exact=True).click()
    return page.get_by_role("tabpanel", name=name, exact=True)


def saved(page, panel, label):
    """Save a result in the format of that label, and return the name and the content of the file."""
    panel.get_by_label("Save as").first.select_option(label=label)
    with page.expect_download() as download:
        panel.get_by_role("button", name="Save", exact=True).first.click()
    return download.value.suggested_filename, download.value.path().read_text(encoding="utf8")


def trim_start(page):
    """Leave the first second of the recording out."""
    start = page.locator("#recording").get_by_role("slider", name="Start of the part that is used")
    start.press("Shift+ArrowRight")


def reopen(page, tab):
    """Load the page again, and open the newest entry of a tab that the history has kept."""
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.get_by_role("option", name=re.compile(f"^{tab}")).first.click()
    page.locator("#history").get_by_role("button", name="Open again").click()
