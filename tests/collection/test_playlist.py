import os
from urllib.parse import quote

from photism.collection.playlist import write_playlist
from photism.collection.search import Hit


def test_a_playlist_has_the_times_of_segments_and_files_relative_to_it(tmp_path):
    inside, outside = tmp_path / "lists" / "a b.wav", tmp_path / "ünï.ogg"
    not_utf8 = "file://" + quote(os.fsencode(tmp_path) + b"/\xff.wav")
    hits = [
        Hit(str(inside), 1.5, 3.5, 0.9, {"known": True, "captions": [{"caption": "An owl.", "score": 1.0}]}),
        Hit(str(outside), 0.0, None, 0.8, {}),
        Hit(str(tmp_path / "lists" / "#1.wav"), 0.0, None, 0.7, {}),
        Hit(str(tmp_path / "new\nline.wav"), 0.0, None, 0.6, {}),
        Hit(not_utf8, 0.0, None, 0.5, {}),
        Hit("/x/shard-0.tar#key.wav", 0.0, None, 0.4, {}),
        Hit("https://example.org/a.wav", 0.0, None, 0.3, {}),
    ]
    (tmp_path / "lists").mkdir()

    write_playlist(hits, tmp_path / "lists" / "found.m3u8")

    lines = (tmp_path / "lists" / "found.m3u8").read_text(encoding="utf8").splitlines()
    assert lines[:5] == [
        "#EXTM3U",
        f"#EXTINF:2,{inside} – 1.5 s to 3.5 s – An owl.",
        "#EXTVLCOPT:start-time=1.500",
        "#EXTVLCOPT:stop-time=3.500",
        "a b.wav",
    ]
    assert [line for line in lines[5:] if not line.startswith("#")] == [
        "../ünï.ogg",
        (tmp_path / "lists" / "#1.wav").as_uri(),
        f"{tmp_path.as_uri()}/new%0Aline.wav",
        not_utf8,
        "https://example.org/a.wav",
    ]
