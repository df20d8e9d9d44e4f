import json
from html.parser import HTMLParser

import numpy as np

from photism.collection.pages.map_page import write_map_page
from photism.collection.projection import CollectionMap
from photism.collection.search import Hit


class Data(HTMLParser):
    """The JSON that a page holds, and the number of its scripts."""

    def __init__(self, html):
        super().__init__()
        self.text, self.scripts, self._is_inside = "", 0, False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self._is_inside = dict(attrs).get("id") == "points"

    def handle_data(self, data):
        self.text += data if self._is_inside else ""

    def handle_endtag(self, tag):
        self._is_inside = False


def test_points_have_their_place_name_and_recording(tmp_path):
    (tmp_path / "a b.wav").touch()
    name = "</script><script>alert(1)</script>"
    hits = (Hit(str(tmp_path / "a b.wav"), 1.0, 2.0, 0.0, {}), Hit(str(tmp_path / "gone.wav"), 0.0, None, 0.0, {}))
    found = CollectionMap(hits, np.array([[0.25, 0.5], [1.0, 0.0]]), (name, ""), "t-SNE", 2)

    write_map_page(found, tmp_path / "map.html", title="sounds.lance")

    page = Data((tmp_path / "map.html").read_text(encoding="utf8"))
    data = json.loads(page.text)
    assert page.scripts == 2
    assert data["names"] == [name]
    first, second = data["points"]
    assert first[:4] == [0.25, 0.5, 0, name]
    assert first[5:] == ["1 s to 2 s", "a%20b.wav#t=1.000,2.000", 1.0, 2.0, ""]
    assert second[2:4] == [-1, ""]
    assert second[6:] == ["", 0.0, None, "The file is missing."]
