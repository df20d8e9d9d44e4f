"""Recordings that Python code gives."""

from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError, RecordingWarning
from photism.manifest.in_memory import as_manifest
from photism.manifest.read import read_manifest


def listed(recordings) -> list[tuple[str, float, float | None, dict]]:
    return [(each.location, each.start_s, each.end_s, dict(each.columns)) for each in as_manifest(recordings)]


@pytest.fixture
def frame(captioned) -> pandas.DataFrame:
    files = [captioned / "0.wav", str(captioned / "1.wav"), None]
    times = {"start": [np.nan, 0.5, 0.0], "end": [None, 1.0, None]}
    return pandas.DataFrame({"file": files, **times, "kind": ["dog", pandas.NA, "cat"], "age": [1, 2, 3]})


def test_a_dataframe_has_the_entries_of_its_csv_file(frame, captioned, tmp_path):
    expected = [
        (str(captioned / "0.wav"), 0.0, None, {"kind": "dog", "age": 1}),
        (str(captioned / "1.wav"), 0.5, 1.0, {"kind": None, "age": 2}),
        ("rows#2", 0.0, None, {}),
    ]
    assert listed(frame) == expected
    assert listed(frame.to_dict("records"))[0] == expected[0]
    frame.to_csv(tmp_path / "list.csv", index=False)
    of_file = [entry.key for entry in read_manifest([str(tmp_path / "list.csv")])]
    assert [entry.key for entry in as_manifest(frame)][:2] == of_file[:2]
    assert [entry.problem[:23] for entry in as_manifest(frame)] == ["", "", "rows#2: no recording in"]
    assert as_manifest(frame).count == 3


def test_tables_of_arrow(frame, captioned):
    table = pyarrow.table({"location": [str(captioned / "0.wav")], "tags": [["a", "b"]]})
    assert listed(table) == [(str(captioned / "0.wav"), 0.0, None, {"tags": ["a", "b"]})]


def test_lists_and_numbers_of_numpy_are_kept(captioned):
    row = {"file": captioned / "0.wav", "tags": np.array(["a", "b"]), "score": np.float32(0.5)}
    assert listed([row]) == [(str(captioned / "0.wav"), 0.0, None, {"tags": ["a", "b"], "score": 0.5})]


def test_recordings_as_bytes(captioned):
    sound = (captioned / "0.wav").read_bytes()
    (entry,) = as_manifest([{"audio": {"bytes": sound, "path": "x.wav"}, "kind": "dog"}])
    read = load_waveform(entry.sound(ReadingSettings()))
    np.testing.assert_array_equal(read.samples, load_waveform(sound).samples)
    assert dict(entry.columns) == {"kind": "dog"}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_data_sets(captioned, is_streamed):
    sounds = [{"bytes": None, "path": str(captioned / "0.wav")}, {"bytes": (captioned / "1.wav").read_bytes()}]
    whole = Dataset.from_dict({"audio": sounds, "label": [1, 0]}).cast_column("audio", Audio())
    whole = whole.cast_column("label", ClassLabel(names=["dog", "cat"]))
    dataset = whole.to_iterable_dataset() if is_streamed else whole
    assert listed(dataset) == [
        (str(captioned / "0.wav"), 0.0, None, {"label": "cat"}),
        ("dataset/1", 0.0, None, {"label": "dog"}),
    ]
    assert as_manifest(dataset).count == (None if is_streamed else 2)
    read = [load_waveform(entry.sound(ReadingSettings())).samples for entry in as_manifest(dataset)]
    np.testing.assert_array_equal(read[1], load_waveform(captioned / "1.wav").samples)
    (_, named) = listed(DatasetDict({"test": whole}))
    assert named[0] == "dataset/test/1"


def test_paths_are_arguments_and_entries_stay(captioned):
    of_command = list(read_manifest([str(captioned)]))
    assert list(as_manifest(captioned)) == list(as_manifest([Path(captioned)])) == of_command
    manifest = as_manifest(of_command)
    assert (list(manifest), manifest.count) == (of_command, len(of_command))
    assert as_manifest(manifest) is manifest


@pytest.mark.parametrize("kind", [list, iter])
def test_an_entry_that_is_given_twice_is_read_once(captioned, kind):
    (entry,) = read_manifest([str(captioned / "0.wav")])
    with pytest.warns(RecordingWarning, match=r"0\.wav: listed more than once; read once"):
        assert list(as_manifest(kind([entry, entry]))) == [entry]


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ([], "recordings must not be empty"),
        (pandas.DataFrame({"file": []}), "recordings must not be empty"),
        (pandas.DataFrame({"text": ["a"]}), "need a column audio or .* with the recording; they have text$"),
        ("missing.wav", "missing.wav: no such file"),
    ],
)
def test_recordings_that_cannot_be_used(recordings, message):
    with pytest.raises(InputError, match=message):
        as_manifest(recordings)
