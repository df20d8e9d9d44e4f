"""Rows that are returned, not written."""

import numpy as np
import pandas

from photism.jobs import run
from photism.jobs.run import run as run_of_module
from photism.manifest.entry import Entry
from tests.support.jobs import NameJob, entries, json_rows

NAMES = ("a.wav", "broken.wav", "infinite.wav", "dd.wav")


def test_rows_are_those_of_a_file(tmp_path):
    job, listed = NameJob(), entries(*NAMES, speaker="Ann")
    rows = run(job, listed)
    run(job, listed, tmp_path / "rows.jsonl")
    assert [{**row, "vector": row["vector"].tolist()} for row in rows] == json_rows(tmp_path / "rows.jsonl")
    assert rows.errors == json_rows(tmp_path / "rows.jsonl.errors.jsonl")
    assert run is run_of_module


def test_rows_are_computed_as_they_are_used():
    processed = []
    rows = run(NameJob(on_recording=processed.append), entries("a.wav", "b.wav"))
    assert processed == []
    next(iter(rows))
    assert processed == ["a.wav"]
    assert len(list(rows)) == 2


def test_errors_are_those_of_the_last_iteration():
    missing = Entry("m.wav", "", "m.wav", problem="m.wav: no such file")
    rows = run(NameJob(), [*entries(*NAMES), missing])
    for _ in range(2):
        assert [row["file"] for row in rows] == ["a.wav", "dd.wav"]
        assert [(row["file"], row["where"]) for row in rows.errors] == [
            ("broken.wav", "reading"),
            ("infinite.wav", "model"),
            ("m.wav", "listing"),
        ]


def test_windows_are_rows():
    rows = list(run(NameJob(windows=2), entries("a.wav")))
    assert [(row["start_s"], row["end_s"], row["id"][-4:]) for row in rows] == [(0.0, 1.0, "1of2"), (1.0, 2.0, "2of2")]


def test_pandas_and_datasets():
    rows = run(NameJob(), [*entries("a.wav", speaker="Ann"), *entries("bb.wav", age=5)])
    frame, dataset = rows.to_pandas(), rows.to_dataset()
    for table in (frame, dataset):
        assert list(table["file"]) == ["a.wav", "bb.wav"]
        assert list(table["letters"]) == [5, 6]
        np.testing.assert_array_equal(np.stack([np.asarray(each) for each in table["vector"]]), [[5] * 4, [6] * 4])
    assert dataset["speaker"][:] == ["Ann", None]
    assert dataset["age"][:] == [None, 5]


def test_recordings_of_a_dataframe_keep_its_columns(captioned):
    frame = pandas.DataFrame({"file": [str(captioned / "0.wav")], "speaker": ["Ann"]})
    (row,) = run(NameJob(), frame)
    assert (row["file"], row["speaker"]) == (str(captioned / "0.wav"), "Ann")
