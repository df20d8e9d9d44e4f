"""Tables that list recordings: columns, segments, and rows that cannot be used."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.places import sound_at
from photism.manifest.read import read_manifest
from tests.fuzz.corpus import encode


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working folder hold a/1.wav of three seconds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.wav").write_bytes(encode("wav-s16", 3.0))
    return tmp_path


def rows(*given: str) -> list[tuple[str, float, float | None, dict[str, Any]]]:
    return [(each.location, each.start_s, each.end_s, dict(each.columns)) for each in read_manifest(given)]


CSV = "file;Start;end;text\n1.wav;;;whole\n1.wav;0.5;1.25;a word\nhttps://x.org/b.wav?token=1;2;;later\n"


def test_columns_and_segments_of_a_csv_file():
    Path("a/list.csv").write_text(CSV.replace("Start", "start"), encoding="utf-16")
    assert rows("a/list.csv") == [
        ("a/1.wav", 0.0, None, {"text": "whole"}),
        ("a/1.wav", 0.5, 1.25, {"text": "a word"}),
        ("https://x.org/b.wav?token=***", 2.0, None, {"text": "later"}),
    ]
    manifest = read_manifest(["a/list.csv"])
    assert (manifest.count, manifest.is_collection) == (3, True)
    segment = list(manifest)[1].sound(ReadingSettings())
    whole = load_waveform("a/1.wav").samples
    np.testing.assert_array_equal(load_waveform(segment).samples, whole[8000:20000])


@pytest.mark.parametrize("name", ["list.jsonl", "list.json"])
def test_a_manifest_of_nemo(name: str):
    lines = [
        {"audio_filepath": "a/1.wav", "offset": 0.5, "duration": 0.75, "text": "a"},
        {"audio_filepath": "a/1.wav", "duration": 3.0, "text": "b"},
    ]
    Path(name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert rows(name) == [
        ("a/1.wav", 0.5, 1.25, {"duration": 0.75, "text": "a"}),
        ("a/1.wav", 0.0, None, {"duration": 3.0, "text": "b"}),
    ]


def test_a_json_list():
    Path("list.json").write_text(json.dumps([{"file": "a/1.wav", "tags": ["x"], "score": float("nan")}]))
    assert rows("list.json") == [("a/1.wav", 0.0, None, {"tags": ["x"], "score": None})]


def test_parquet_with_paths_and_with_recordings():
    table = {
        "file": ["a/1.wav", "a/1.wav"],
        "start_s": [0.5, 1.0],
        "day": [date(2026, 1, 2), None],
        "raw": [b"x", b"y"],
    }
    pq.write_table(pa.table(table), "list.parquet")
    assert rows("list.parquet") == [
        ("a/1.wav", 0.5, None, {"day": "2026-01-02", "raw": None}),
        ("a/1.wav", 1.0, None, {"day": None, "raw": None}),
    ]
    sounds = [{"bytes": encode("flac"), "path": "x.flac"}, {"bytes": None, "path": "a/1.wav"}]
    pq.write_table(pa.table({"audio": sounds, "text": ["a", "b"]}), "a/sounds.parquet")
    inside, beside = read_manifest(["a/sounds.parquet"])
    assert (inside.location, inside.name, beside.location) == ("a/sounds.parquet#0", "sounds/0", "a/1.wav")
    assert load_waveform(inside.sound(ReadingSettings())).duration_s == pytest.approx(0.6)
    assert inside.version != beside.version
    assert load_waveform(sound_at("sounds.parquet#0", folder="a")).duration_s == pytest.approx(0.6)
    assert read_manifest(["a/sounds.parquet"]).count == 2


def problems(name: str) -> list[str]:
    return [entry.problem for entry in read_manifest([name])]


def test_each_row_that_cannot_be_used_is_a_problem_of_its_own_and_the_others_go_on():
    lines = [
        '{"file": "a/1.wav", "start": "soon"}', '{"file": "a/1.wav", "start": -1}', '{"file": "", "start": 1}', "{",
        '{"file": "a/1.wav", "start": 2, "end": 1}', "[1]", '{"file": "gone.wav"}', '{"file": 5}',
        '{"file": "a/1.wav"}',
    ]  # fmt: skip
    Path("list.jsonl").write_text("\n".join(lines))
    segment = "a/1.wav: a segment must start at 0 s or later and end after its start; got"
    assert problems("list.jsonl") == [
        "a/1.wav: start must be seconds; the row has 'soon'",
        f"{segment} -1 s",
        "list.jsonl#2: no recording in file",
        "list.jsonl, line 4, must be a JSON object; it cannot be read: Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1)",
        f"{segment} 2 to 1 s",
        "list.jsonl, line 6: data must describe each recording by a JSON object; got [1]",
        "gone.wav: no such file",
        "list.jsonl#7: no recording in file",
        "",
    ]


def test_a_csv_line_with_a_wrong_quote_or_too_many_fields_is_a_problem():
    Path("list.csv").write_text('file,text\na/1.wav,"x"y\na/1.wav,x,y\na/1.wav,z\n')
    first, second, third = problems("list.csv")
    assert first.startswith("list.csv, line 2, must be CSV")
    assert second.startswith("list.csv, line 3, must have the 2 fields")
    assert third == ""


@pytest.mark.filterwarnings("ignore::photism.errors.RecordingWarning")
def test_a_list_that_is_damaged_at_its_end_gives_what_there_is():
    Path("list.csv").write_bytes(b"file,text\na/1.wav,x\n" + b"a/1.wav,yyyyyyyy\n" * 1000 + b"a/1.wav,\xff\n")
    entries = list(read_manifest(["list.csv"]))
    assert "must be UTF-8 text" in entries[-1].problem
    assert entries[0].columns == {"text": "x"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "", "list.csv: the list is empty"),
        ("list.csv", "name,text\na,b\n", "list.csv needs a column audio or file_name or .*; it has name, text"),
        ("list.jsonl", "x\ny\n", "list.jsonl, line 1, must be a JSON object"),
        ("list.json", "[", "list.json must be a JSON list or JSON Lines"),
        ("list.parquet", "x", "list.parquet: cannot be read as Parquet"),
    ],
)
def test_a_list_that_cannot_be_used_is_an_error_at_once(name: str, content: str, message: str):
    Path(name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_manifest([name])


def test_rows_are_read_as_they_are_needed():
    Path("list.csv").write_text("file,text\n" + "a/1.wav,x\n" * 100_000)
    entries = iter(read_manifest(["list.csv"]))
    assert isinstance(next(entries), Entry)
