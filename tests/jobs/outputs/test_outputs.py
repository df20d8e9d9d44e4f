"""All kinds of outputs: what the same call again does, and which rows are replaced."""

import csv
import json
import resource

import pytest

from photism.errors import InputError
from photism.jobs.run import run
from photism.sole_writer import sole_writer
from tests.support.jobs import NameJob, entries, json_rows, newer

NAMES = ("a.wav", "bb.wav", "é.wav")


@pytest.fixture(params=["jsonl", "csv", "json", "parquet", "lance"])
def path(tmp_path, request):
    return tmp_path / f"rows.{request.param}"


def files_of(path):
    """Return the recordings that an output has, in its order."""
    if path.suffix == ".jsonl":
        return [row["file"] for row in json_rows(path)]
    if path.suffix == ".csv":
        return [row["file"] for row in csv.DictReader(path.open())]
    if path.suffix == ".json":
        return [row["file"] for row in json.loads(path.read_text())]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).column("file").to_pylist()
    import lance

    return lance.dataset(str(path)).to_table(columns=["file"]).column("file").to_pylist()


def test_the_same_call_again_goes_on(path):
    processed = []
    job = NameJob(on_recording=processed.append)
    run(job, entries(*NAMES[:2]), path)
    summary = run(job, entries(*NAMES), path)
    assert processed == list(NAMES)
    assert files_of(path) == list(NAMES)
    assert (summary.processed, summary.done_before) == (1, 2)
    assert run(job, entries(*NAMES), path).done_before == 3
    assert files_of(path) == list(NAMES)


def test_a_changed_recording_replaces_its_row(path):
    listed = entries(*NAMES)
    run(NameJob(), listed, path)
    listed[1] = newer(listed[1])
    run(NameJob(), listed, path)
    assert sorted(files_of(path)) == sorted(NAMES)
    assert run(NameJob(), listed, path).done_before == 3


def test_a_recording_that_breaks_loses_its_row_and_one_that_is_mended_gets_it(path):
    listed = entries("a.wav", "broken.wav")
    run(NameJob(mended=True), listed, path)
    changed = [newer(each) for each in listed]
    run(NameJob(), changed, path)
    assert files_of(path) == ["a.wav"]
    assert [row["file"] for row in json_rows(path.with_name(f"{path.name}.errors.jsonl"))] == ["broken.wav"]
    run(NameJob(mended=True), changed, path)
    assert files_of(path) == ["a.wav", "broken.wav"]
    assert not path.with_name(f"{path.name}.errors.jsonl").exists()


def test_everything_is_done_again_with_force(path):
    run(NameJob(), entries(*NAMES, "broken.wav"), path)
    run(NameJob(), entries(*NAMES[1:]), path, force=True)
    assert files_of(path) == list(NAMES[1:])
    assert not path.with_name(f"{path.name}.errors.jsonl").exists()


def test_outputs_of_other_suffixes_have_their_own_errors(path):
    other = path.with_name("rows.rttm")
    run(NameJob(), entries("broken.wav"), path)
    run(NameJob(), entries(*NAMES), other, format="csv", force=True)
    assert [row["file"] for row in json_rows(path.with_name(f"{path.name}.errors.jsonl"))] == ["broken.wav"]


def test_other_settings_are_refused(path):
    run(NameJob(), entries(*NAMES), path)
    with pytest.raises(InputError, match="was computed with setting 1 instead of 2; choose another output, or --force"):
        run(NameJob(setting=2), entries(*NAMES), path)
    assert files_of(path) == list(NAMES)


def test_an_interrupted_run_keeps_what_is_done(path):
    def interrupt(name):
        if name == NAMES[2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(NameJob(on_recording=interrupt), entries(*NAMES), path)
    assert files_of(path) == list(NAMES[:2])
    run(NameJob(), entries(*NAMES), path)
    assert files_of(path) == list(NAMES)


def test_an_output_that_another_process_writes_is_refused(path):
    with sole_writer(path), pytest.raises(InputError, match="another process is writing it; wait until it is done"):
        run(NameJob(), entries(*NAMES), path)


def test_a_full_disk_loses_nothing(path):
    """A limit to the size of files stands for a full disk."""
    listed = entries("broken.wav", *(f"{number}.wav" for number in range(100)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=f"File too large: .*{path.name}"):
            run(NameJob(), listed, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    run(NameJob(), listed, path)
    assert files_of(path) == [entry.location for entry in listed[1:]]


def test_without_a_result_there_are_no_rows(path):
    assert run(NameJob(), entries("broken.wav"), path).errors == 1
    run(NameJob(), entries("a.wav"), path)
    assert files_of(path) == ["a.wav"]


def test_nothing_is_written_where_the_output_is_something_else(path):
    if path.suffix == ".lance":
        path.mkdir()
        file = path / "notes.txt"
    else:
        file = path
    file.write_text("my notes")
    with pytest.raises(InputError):
        run(NameJob(), entries(*NAMES), path)
    assert file.read_text() == "my notes"
