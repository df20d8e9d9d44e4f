"""Rows as JSON: arrays, numbers that JSON lacks, and times of segments."""

import json
from dataclasses import replace
from datetime import date

import numpy as np

from photism.errors import InputError, NotFiniteError
from photism.jobs.job import Outcome
from photism.jobs.rows import as_json_line, json_value, make_rows, stage_of
from tests.support.jobs import entries


def test_arrays_become_lists_whose_numbers_are_the_same_in_float32():
    vector = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    values = json_value({"vector": vector, "matrix": vector.reshape(2, 50), "count": np.int64(3)})
    assert np.array_equal(np.array(values["vector"], np.float32), vector)
    assert np.array_equal(np.array(values["matrix"], np.float32), vector.reshape(2, 50))
    assert len(json.dumps(values["vector"])) < 100 * 14
    assert values["count"] == 3


def test_what_json_lacks_becomes_null_or_text():
    values = {"nan": float("nan"), "inf": np.float32("inf"), "day": date(2026, 1, 2), "pair": (1, None)}
    assert json_value(values) == {"nan": None, "inf": None, "day": "2026-01-02", "pair": [1, None]}
    assert as_json_line({"a": "é\udcff\n"}) == '{"a": "é\\udcff\\n"}\n'.encode()


def test_a_segment_has_its_times_and_its_windows_those_of_the_file():
    (entry,) = entries("a.wav")
    segment = replace(entry, start_s=10.0, end_s=12.0)
    outcome = Outcome(0, {"text": "x"}, 2.0, None)
    assert make_rows("id", entry, outcome, ()) == [{"file": "a.wav", "text": "x", "id": "id"}]
    assert make_rows("id", segment, outcome, ()) == [
        {"file": "a.wav", "start_s": 10, "end_s": 12, "text": "x", "id": "id"}
    ]
    windows = outcome._replace(windows=[{"start_s": 0.0, "end_s": 1.5, "score": 1}])
    assert make_rows("id", segment, windows, ()) == [
        {"file": "a.wav", "start_s": 10, "end_s": 11.5, "text": "x", "score": 1, "id": "id-1of1"}
    ]


def test_an_output_of_the_model_that_is_not_finite_is_an_error_of_the_model():
    assert stage_of(NotFiniteError("x")) == "model"
    assert stage_of(InputError("x")) == "reading"
