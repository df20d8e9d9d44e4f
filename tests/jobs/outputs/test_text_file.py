"""Text files that a job appends to, with a journal: files cut anywhere, replaced texts, and files of something else."""

import csv
import json
from dataclasses import replace

import pytest

from photism.errors import InputError
from photism.jobs.outputs import text_file
from photism.jobs.run import run
from tests.support.jobs import NameJob, entries, newer

NAMES = ("a.wav", "bb.wav", "é.wav")
TEXTS = {
    ".csv": "file,letters\na.wav,5\nbb.wav,6\né.wav,5\n",
    ".json": '[\n{"file": "a.wav"},\n{"file": "bb.wav"},\n{"file": "\\u00e9.wav"}\n]\n',
}


@pytest.fixture(params=["csv", "json"])
def path(tmp_path, request):
    return tmp_path / f"rows.{request.param}"


@pytest.fixture
def journal(path):
    return path.with_name(f".{path.name}.journal")


def files_of(path):
    """Return the recordings in a file, whose format is checked."""
    if path.suffix == ".json":
        return [row["file"] for row in json.loads(path.read_text())]
    header, *lines = path.read_text().splitlines()
    assert header == "file,letters"
    return [line.partition(",")[0] for line in lines]


def test_csv_has_a_header_and_json_is_a_list(path):
    run(NameJob(), entries(*NAMES), path)
    assert path.read_text() == TEXTS[path.suffix]
    assert run(NameJob(), entries(*NAMES), path).done_before == 3
    assert path.read_text() == TEXTS[path.suffix]


def test_a_file_and_journal_cut_anywhere_are_completed(path, journal):
    """A kill leaves the file at any byte after the last record, and the journal at any byte."""
    run(NameJob(), entries(*NAMES), path)
    whole, records = path.read_bytes(), journal.read_bytes()
    lines = records.splitlines(keepends=True)
    ends = [0, *(json.loads(line)["end"] for line in lines[1:-1]), len(whole)]
    for count in range(len(lines) - 1):
        known = b"".join(lines[: count + 1])
        for size in {ends[count], (ends[count] + ends[count + 1]) // 2, ends[count + 1]}:
            for part in {0, 1, len(lines[count + 1]) - 1}:
                path.write_bytes(whole[:size])
                journal.write_bytes(known + lines[count + 1][:part])
                summary = run(NameJob(), entries(*NAMES), path)
                assert path.read_bytes() == whole, (count, size, part)
                assert summary.done_before == count


def test_a_changed_recording_replaces_its_text(path):
    listed = entries(*NAMES)
    run(NameJob(), listed, path)
    run(NameJob(), [newer(listed[0]), *listed[1:]], path)
    assert files_of(path) == ["bb.wav", "é.wav", "a.wav"]
    assert run(NameJob(), [newer(listed[0]), *listed[1:]], path).done_before == 3


def test_a_recording_that_breaks_loses_its_text(path):
    listed = entries("a.wav", "broken.wav")
    run(NameJob(mended=True), listed, path)
    run(NameJob(), [newer(each) for each in listed], path)
    assert files_of(path) == ["a.wav"]
    run(NameJob(), [replace(listed[1], version="x")], path)
    assert files_of(path) == ["a.wav"]


@pytest.mark.parametrize("step", ["file", "journal"])
def test_a_kill_while_texts_are_replaced_loses_nothing(path, monkeypatch, step):
    """The process is killed before the new file, or the new journal, takes the place of the old one."""
    listed = entries(*NAMES)
    run(NameJob(), listed, path)
    changed = [newer(listed[0]), *listed[1:]]

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patches:
        if step == "file":
            patches.setattr(text_file.TextFile, "_finish_removal", killed)
        else:
            patches.setattr("pathlib.Path.replace", killed)
        with pytest.raises(SystemExit):
            run(NameJob(), changed, path)
    run(NameJob(), changed, path)
    assert sorted(files_of(path)) == sorted(NAMES)
    assert run(NameJob(), changed, path).done_before == 3


def listed_with(name, **columns):
    return replace(entries(name)[0], columns=columns)


def csv_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


COLUMNS = [
    listed_with("a.wav", x="1", y="two\nlines"),
    listed_with("b.wav", y="4", x="3"),
    listed_with("c.wav", z='"5', x="6"),
    listed_with("d.wav"),
    replace(listed_with("e.wav", y="7"), start_s=0.5),
]


def test_csv_keeps_its_columns_and_appends_new_ones(tmp_path):
    path = tmp_path / "rows.csv"
    for entry in COLUMNS:
        assert run(NameJob(), [entry], path).processed == 1
    rows = csv_rows(path)
    assert list(rows[0]) == ["file", "letters", "x", "y", "z", "segment_start_s", "segment_end_s"]
    assert [(row["x"], row["y"], row["z"]) for row in rows] == [
        ("1", "two\nlines", ""),
        ("3", "4", ""),
        ("6", "", '"5'),
        ("", "", ""),
        ("", "7", ""),
    ]
    assert [row["segment_start_s"] for row in rows] == ["", "", "", "", "0.5"]
    assert run(NameJob(), COLUMNS, path).done_before == 5
    assert csv_rows(path) == rows


def test_a_changed_recording_replaces_its_text_in_csv_with_other_columns(tmp_path):
    path = tmp_path / "rows.csv"
    run(NameJob(), COLUMNS[:2], path)
    run(NameJob(), [COLUMNS[2], newer(COLUMNS[0])], path)
    assert [(row["file"], row["x"], row["z"]) for row in csv_rows(path)] == [
        ("b.wav", "3", ""),
        ("c.wav", "6", '"5'),
        ("a.wav", "1", ""),
    ]


@pytest.mark.parametrize("step", ["file", "journal"])
def test_a_kill_while_columns_are_appended_loses_nothing(tmp_path, monkeypatch, step):
    path = tmp_path / "rows.csv"
    run(NameJob(), COLUMNS[:2], path)

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patches:
        if step == "file":
            patches.setattr(text_file.TextFile, "_finish_removal", killed)
        else:
            patches.setattr("pathlib.Path.replace", killed)
        with pytest.raises(SystemExit):
            run(NameJob(), COLUMNS, path)
    assert run(NameJob(), COLUMNS, path).done_before == 2
    assert [row["x"] for row in csv_rows(path)] == ["1", "3", "6", "", ""]


def test_csv_is_not_appended_to_another_format(tmp_path):
    path = tmp_path / "rows.csv"
    run(NameJob(), COLUMNS, path, format="json")
    before = path.read_bytes()
    with pytest.raises(InputError, match="is not CSV; choose another output, or --force"):
        run(NameJob(), [*COLUMNS, *entries("f.wav")], path)
    assert path.read_bytes() == before


def test_other_settings_are_refused(path):
    run(NameJob(), entries(*NAMES), path)
    with pytest.raises(InputError, match="was computed with setting 1 instead of 2"):
        run(NameJob(setting=2), entries(*NAMES), path)


def test_a_file_of_something_else_stays_as_it_is(path):
    path.write_text("my notes")
    with pytest.raises(InputError, match=r"exists; choose another output, or --force to overwrite it"):
        run(NameJob(), entries(*NAMES), path)
    assert path.read_text() == "my notes"
    run(NameJob(), entries(*NAMES), path, force=True)
    assert files_of(path) == list(NAMES)


def test_a_file_that_was_changed_stays_as_it_is(path):
    run(NameJob(), entries(*NAMES), path)
    path.write_text(path.read_text() + "my notes")
    with pytest.raises(InputError, match="was changed since it was written"):
        run(NameJob(), entries(*NAMES), path)
    assert path.read_text().endswith("my notes")


def test_a_deleted_file_is_written_again(path):
    run(NameJob(), entries(*NAMES), path)
    path.unlink()
    assert run(NameJob(), entries(*NAMES), path).processed == 3
    assert files_of(path) == list(NAMES)


def test_a_format_of_single_recordings_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match="srt needs a file for each recording; give a folder"):
        run(NameJob(), entries(*NAMES), tmp_path / "rows.srt")
