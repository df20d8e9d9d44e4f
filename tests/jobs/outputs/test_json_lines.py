"""JSON Lines that a job appends to: files that are cut, other files, and two processes."""

import json
from dataclasses import replace

import pytest

from photism.errors import InputError
from photism.jobs.run import run
from photism.sole_writer import sole_writer
from tests.support.jobs import NameJob, entries, json_rows

NAMES = ("a.wav", "bb.wav", "é.wav")


@pytest.mark.parametrize("windows", [None, 2])
def test_a_file_cut_anywhere_is_completed(tmp_path, windows):
    job, path = NameJob(windows=windows), tmp_path / "rows.jsonl"
    run(job, entries(*NAMES), path)
    whole = path.read_bytes()
    ends = [index for index, byte in enumerate(whole) if byte == ord("\n")]
    for size in sorted({*range(0, len(whole), 40), *ends, *(end + 1 for end in ends[:-1])}):
        path.write_bytes(whole[:size])
        summary = run(job, entries(*NAMES), path)
        assert path.read_bytes() == whole, size
        assert summary.processed + summary.done_before == 3


def test_rows_of_another_program_are_read_by_their_id(tmp_path):
    job, path = NameJob(), tmp_path / "rows.jsonl"
    run(job, entries(*NAMES), path)
    rows = [dict(reversed(row.items())) for row in json_rows(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(job, entries(*NAMES), path).done_before == 3


@pytest.mark.parametrize("text", ["my notes", "my notes\n", '{"id": 3}\n', '[1]\n{"a": 1}\n', "\n"])
def test_a_file_of_something_else_stays_as_it_is(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=r"line 1 was not written by this command; choose another output, or --force"):
        run(NameJob(), entries(*NAMES), path)
    assert path.read_text() == text


def test_a_file_that_lost_its_journal_is_known_by_its_ids(tmp_path):
    path = tmp_path / "rows.jsonl"
    run(NameJob(), entries(*NAMES), path)
    (tmp_path / ".rows.jsonl.journal").unlink()
    assert run(NameJob(), entries(*NAMES), path).done_before == 3
    (tmp_path / ".rows.jsonl.journal").unlink()
    with pytest.raises(InputError, match="line 1 was computed with another model or settings"):
        run(NameJob(setting=2), entries(*NAMES), path)


def test_a_file_that_another_process_writes_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    with sole_writer(path), pytest.raises(InputError, match="another process is writing it; wait until it is done"):
        run(NameJob(), entries(*NAMES), path)


def test_a_name_that_is_not_utf8_is_the_same_when_it_is_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    run(NameJob(), entries("\udcff.wav", note=float("nan")), path)
    assert json_rows(path)[0]["file"] == "\udcff.wav"
    assert json_rows(path)[0]["note"] is None


def test_rows_of_windows_have_times_of_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    (entry,) = entries("a.wav")
    run(NameJob(windows=2), [replace(entry, start_s=10.0, end_s=12.0)], path)
    assert [(row["start_s"], row["end_s"]) for row in json_rows(path)] == [(10, 11), (11, 12)]
    assert [row["id"].rpartition("-")[2] for row in json_rows(path)] == ["1of2", "2of2"]
