import csv
import io
import json

import numpy as np

from photism.collection.hit_formats import format_hits
from photism.collection.search import Hit

OWL = {
    "id": "1-2",
    "location": "/sounds/owl.ogg",
    "captions": [{"caption": "An owl.", "score": 0.9}, {"caption": "A dog.", "score": 0.2}],
    "known": True,
    "speaker": "Anna, 7",
    "rating": float("nan"),
}
HITS = [
    Hit("/sounds/owl.ogg", 2.0, 4.5, 0.81234567, OWL),
    Hit("/sounds/\x1b[31mnoise.wav", 0.0, None, -0.1, {"known": False, "captions": OWL["captions"]}),
    Hit("s3://sounds/talk.wav", 0.0, None, -0.2, {"labels": [{"label": "en", "score": np.float32(0.5)}]}),
]


def test_lines_have_score_file_segment_and_what_was_recognised():
    assert format_hits(HITS, "table").splitlines() == [
        " 0.812  /sounds/owl.ogg  2 s to 4.5 s  An owl.  (the file is missing)",
        "-0.100  /sounds/\\u001b[31mnoise.wav  (the file is missing)",
        "-0.200  s3://sounds/talk.wav  en",
    ]


def test_json_has_all_columns_of_a_row():
    first, second, _ = map(json.loads, format_hits(HITS, "json").splitlines())

    assert first == {
        "file": "/sounds/owl.ogg",
        "start_s": 2.0,
        "end_s": 4.5,
        "score": 0.812346,
        "id": "1-2",
        "captions": OWL["captions"],
        "known": True,
        "speaker": "Anna, 7",
        "rating": None,
    }
    assert second["end_s"] is None


def test_csv_has_a_header():
    rows = list(csv.DictReader(io.StringIO(format_hits(HITS, "csv"))))

    assert rows[0] == {
        "file": "/sounds/owl.ogg",
        "start_s": "2.0",
        "end_s": "4.5",
        "score": "0.812346",
        "caption": "An owl.",
    }
    assert [row["caption"] for row in rows] == ["An owl.", "", "en"]


def test_nothing_was_found():
    assert format_hits([], "table") == ""
    assert format_hits([], "json") == ""
