import os
from pathlib import Path
from urllib.parse import quote

import pytest

from photism.collection.locations import clock, link, local_path, shown

NOT_UTF8 = "file://" + quote(b"/sounds/\xff.wav")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/sounds/a.wav", "/sounds/a.wav"),
        ("/sounds/100%25 #1?.wav", "/sounds/100%25 #1?.wav"),
        (NOT_UTF8, os.fsdecode(b"/sounds/\xff.wav")),
        ("https://example.org/a.wav", None),
        ("s3://bucket/a.wav", None),
        ("/sounds/shard-0.tar#key.wav", None),
        ("/sounds/table.parquet#17", None),
        ("/data/train/17", None),
    ],
)
def test_the_path_of_a_location(location, path):
    assert local_path(location) == (path and Path(path))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/sounds/birds/a b.wav", "birds/a%20b.wav"),
        ("/other/100% #1?.wav", "../other/100%25%20%231%3F.wav"),
        ("/sounds/c:olon'\"<.wav", "c%3Aolon%27%22%3C.wav"),
        (NOT_UTF8, "%FF.wav"),
        ("https://example.org/a.wav", "https://example.org/a.wav"),
        ("s3://bucket/a.wav", None),
    ],
)
def test_a_recording_is_linked_relative_to_the_folder_of_the_page(location, url):
    assert link(location, Path("/sounds")) == url


def test_a_name_is_shown_in_one_line():
    assert shown("/sounds/new\nline.wav") == "/sounds/new\\nline.wav"
    assert shown(NOT_UTF8) == "/sounds/\\udcff.wav"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (3.25, "3.25 s"),
        (59.999, "1:00.0"),
        (62.5, "1:02.5"),
        (3599.96, "1:00:00"),
        (3603, "1:00:03"),
        (3659.7, "1:01:00"),
    ],
)
def test_times(seconds, text):
    assert clock(seconds) == text
