"""Formats of labels, written out by hand."""

import csv
import io
import json

from photism.listening.label_formats import CSV_HEADER, as_audacity, as_csv, as_json, as_table
from photism.listening.segments import Segment

SEGMENTS = [Segment(0.0, 1.5, 'a "b", c', 0.25), Segment(3599.125, 3600.0, "dé\tf", 1 / 3)]


def test_a_table_with_and_without_times():
    assert as_table("x.wav", SEGMENTS, with_times=True) == (
        'x.wav\n      0.00 –     1.50 s   0.25  a "b", c\n   3599.12 –  3600.00 s   0.33  dé\tf\n'
    )
    assert as_table("x.wav", SEGMENTS[:1], with_times=False) == 'x.wav\n   0.25  a "b", c\n'
    assert as_table("x.wav", [], with_times=True) == "x.wav\n"
    assert as_table("x\ny.wav", [], with_times=True) == "x\\ny.wav\n"


def test_csv_can_be_read():
    text = CSV_HEADER + as_csv("x,y.wav", SEGMENTS) + as_csv("z.wav", SEGMENTS[:1])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == ["x,y.wav", "x,y.wav", "z.wav"]
    assert rows[0] == {"file": "x,y.wav", "start_s": "0", "end_s": "1.5", "label": 'a "b", c', "score": "0.25"}
    assert rows[1]["label"] == "dé\tf"
    assert rows[1]["score"] == "0.333333"


def test_json_is_one_line_without_escapes():
    assert as_json({"label": "dé"}) == '{"label": "dé"}\n'
    assert json.loads(as_json({"a": [1.5]})) == {"a": [1.5]}


def test_an_audacity_track_has_three_columns():
    assert as_audacity(SEGMENTS) == '0.000000\t1.500000\ta "b", c\n3599.125000\t3600.000000\tdé f\n'
