import base64
import re
from html.parser import HTMLParser
from urllib.parse import quote

import numpy as np
import pytest

from photism.audio.writing import write_waveform
from photism.collection.pages.hits_page import write_hits_page
from photism.collection.search import Hit

NASTY = "a'b\"<img src=x onerror=alert(1)>&amp; 100% #1?.wav"


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(self.words)


def tone(path):
    samples = np.sin(np.arange(48_000) / 10)
    write_waveform(samples, path, sampling_rate=16_000, title="", about={})
    return str(path)


def page_of(hits, folder, **arguments):
    problems = write_hits_page(hits, folder / "found.html", title="an owl", **arguments)
    html = (folder / "found.html").read_text(encoding="utf8")
    return html, Page(html), problems


def test_players_have_relative_links_with_the_times_of_their_segment(tmp_path):
    hits = [
        Hit(tone(tmp_path / "a b.wav"), 1.0, 2.5, 0.9, {"duration_s": 3.0}),
        Hit(tone(tmp_path / "100%.wav"), 0.0, None, 0.8, {}),
    ]

    _, page, problems = page_of(hits, tmp_path)

    assert [each["src"] for each in page.all("audio")] == ["a%20b.wav#t=1.000,2.500", "100%25.wav"]
    assert page.all("audio")[0]["data-start"] == "1.000"
    assert page.all("audio")[0]["data-end"] == "2.500"
    assert page.all("audio")[0]["preload"] == "none"
    assert "1 s to 2.5 s" in page.text
    assert "0.900" in page.text
    assert problems == []


@pytest.mark.parametrize("title", ["</title><script>alert(2)</script>", 'owl" onload="alert(1)'])
def test_names_captions_and_the_query_cannot_add_elements(tmp_path, title):
    captions = [{"caption": "</li><script>alert(3)</script>", "score": 0.5}]
    labels = [{"label": "<b>bold</b>", "score": 0.5}]
    hits = [Hit(tone(tmp_path / NASTY), 0.0, None, 0.9, {"captions": captions, "labels": labels, "known": True})]

    write_hits_page(hits, tmp_path / "found.html", title=title)

    page = Page((tmp_path / "found.html").read_text(encoding="utf8"))
    assert len(page.all("script")) == 1
    assert not page.all("img") + page.all("b")
    assert page.all("body") == [{}]
    assert NASTY in page.text
    assert page.all("audio")[0]["src"] == quote(NASTY)


def test_the_page_loads_nothing_but_recordings(tmp_path):
    html, page, _ = page_of([Hit(tone(tmp_path / "a.wav"), 0.0, None, 0.9, {})], tmp_path)

    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    assert "default-src 'none'" in html
    assert not re.findall(r"https?://", html)


def test_missing_recordings_are_marked(tmp_path):
    hits = [Hit(str(tmp_path / "gone.wav"), 0.0, None, 0.9, {}), Hit("/x/shard-0.tar#a.wav", 0.0, None, 0.8, {})]

    _, page, problems = page_of(hits, tmp_path)

    assert not page.all("audio")
    assert "The file is missing." in page.text
    assert "use --embed-audio" in page.text
    assert len(problems) == 2


def test_embedded_segments_need_no_other_file(tmp_path):
    hits = [Hit(tone(tmp_path / "a.wav"), 1.0, 2.0, 0.9, {})]

    _, page, _ = page_of(hits, tmp_path, embed=True)

    (audio,) = page.all("audio")
    kind, _, data = audio["src"].partition(";base64,")
    assert kind == "data:audio/mpeg"
    assert 2_000 < len(base64.b64decode(data)) < 40_000  # one second
    assert "data-start" not in audio


def test_a_page_without_hits_says_so(tmp_path):
    _, page, _ = page_of([], tmp_path)

    assert "Nothing was found." in page.text
