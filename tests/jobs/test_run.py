"""Jobs over many recordings: resuming, errors, changed recordings, and memory."""

from dataclasses import replace

import pytest

from photism.errors import InputError
from photism.jobs.run import run
from photism.listening.settings import EmbedModelSettings
from tests.support.jobs import LENGTH_S, NameJob, entries, json_rows, newer

NAMES = ("a.wav", "bb.wav", "ccc.wav")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


@pytest.fixture
def processed():
    """List of the recordings that are processed."""
    return []


@pytest.fixture
def job(processed):
    return NameJob(on_recording=processed.append)


def test_a_row_has_the_recording_its_columns_its_fields_and_an_id(path, job):
    listed = entries("a.wav", version="1", speaker="Ann", letters="mine")
    summary = run(job, listed, path)
    (row,) = json_rows(path)
    assert list(row) == ["file", "speaker", "manifest_letters", "duration_s", "letters", "parts", "vector", "id"]
    assert (row["file"], row["speaker"], row["manifest_letters"], row["letters"]) == ("a.wav", "Ann", "mine", 5)
    assert row["vector"] == [5, 5, 5, 5]
    assert row["id"].endswith(f"-{listed[0].key}")
    assert (summary.processed, summary.errors, summary.duration_s) == (1, 0, LENGTH_S)


def test_the_same_call_again_goes_on(path, job, processed):
    run(job, entries(*NAMES[:2]), path)
    summary = run(job, entries(*NAMES), path)
    assert processed == list(NAMES)
    assert [row["file"] for row in json_rows(path)] == list(NAMES)
    assert (summary.processed, summary.done_before) == (1, 2)
    assert str(summary) == "3 of 3 recordings were processed (2 before)"


def test_everything_is_done_again_with_force(path, job, processed):
    run(job, entries(*NAMES), path)
    run(job, entries(*NAMES), path, force=True)
    assert processed == [*NAMES, *NAMES]
    assert len(json_rows(path)) == 3


def test_a_changed_recording_replaces_its_row(path, job):
    listed = entries(*NAMES)
    run(job, listed, path)
    listed[1] = newer(listed[1])
    run(job, listed, path)
    assert [row["file"] for row in json_rows(path)] == ["a.wav", "ccc.wav", "bb.wav"]
    assert len({row["id"] for row in json_rows(path)}) == 3


def test_a_recording_that_is_gone_keeps_its_row(path, job):
    run(job, entries(*NAMES), path)
    run(job, entries("d.wav"), path)
    assert [row["file"] for row in json_rows(path)] == [*NAMES, "d.wav"]


def test_errors_are_rows_of_their_own_and_are_tried_again(path, job, processed):
    listed = entries("a.wav", "broken.wav", "infinite.wav")
    summary = run(job, listed, path)
    errors = json_rows(path.with_name("rows.jsonl.errors.jsonl"))
    assert [(row["file"], row["what"], row["where"]) for row in errors] == [
        ("broken.wav", "broken.wav: broken", "reading"),
        ("infinite.wav", "infinite.wav: not finite", "model"),
    ]
    assert all(row["id"].endswith(entry.key) for row, entry in zip(errors, listed[1:], strict=True))
    assert str(summary) == (
        "1 of 3 recordings were processed, 2 errors in "
        f"{path.with_name('rows.jsonl.errors.jsonl')}; run the same command again to retry them"
    )
    run(job, listed, path)
    assert processed == ["a.wav", "broken.wav", "infinite.wav", "broken.wav", "infinite.wav"]
    assert len(json_rows(path.with_name("rows.jsonl.errors.jsonl"))) == 2


def test_a_recording_that_is_listed_wrongly_is_an_error(path, job, processed):
    listed = [replace(entries("a.wav")[0], problem="a.wav: no such file"), *entries("b.wav")]
    assert run(job, listed, path).errors == 1
    (error,) = json_rows(path.with_name("rows.jsonl.errors.jsonl"))
    assert (error["what"], error["where"]) == ("a.wav: no such file", "listing")
    assert processed == ["b.wav"]


def test_an_error_that_is_mended_leaves_the_file_of_errors(path, job):
    listed = entries("a.wav", "broken.wav")
    run(job, listed, path)
    run(NameJob(mended=True), listed, path)
    assert len(json_rows(path)) == 2
    assert not path.with_name("rows.jsonl.errors.jsonl").exists()


def test_a_recording_that_breaks_loses_its_row(path, job):
    listed = entries("a.wav", "broken.wav")
    run(NameJob(mended=True), listed, path)
    assert len(json_rows(path)) == 2
    run(job, [newer(each) for each in listed], path)
    assert [row["file"] for row in json_rows(path)] == ["a.wav"]


def test_errors_of_another_folder_stay_and_those_of_files_that_are_gone_do_not(path, job, tmp_path):
    gone, kept = (tmp_path / name for name in ("gone-broken.wav", "kept-broken.wav"))
    kept.touch()
    run(job, entries(str(gone), str(kept)), path)
    run(job, entries("a.wav"), path)
    assert [row["file"] for row in json_rows(path.with_name("rows.jsonl.errors.jsonl"))] == [str(kept)]


def test_recordings_of_one_name_have_different_files(job, tmp_path):
    run(job, [*entries("x/a.wav"), *entries("y/a.wav"), *entries("a.mp3")], f"{tmp_path}/out/", format="srt")
    assert len(list((tmp_path / "out").glob("*.srt"))) == 3


def test_the_run_ends_above_the_number_of_errors(path, job, processed):
    listed = entries("broken1.wav", "a.wav", "broken2.wav", "b.wav")
    assert not run(job, listed[:3], path, max_errors=2).stopped
    summary = run(job, listed, path, max_errors=1, force=True)
    assert summary.stopped
    assert str(summary) == (
        f"stopped after 2 errors in {path.with_name('rows.jsonl.errors.jsonl')}; 1 recording was processed; "
        "run the same command again to resume"
    )
    assert [row["file"] for row in json_rows(path)] == ["a.wav"]
    assert len(json_rows(path.with_name("rows.jsonl.errors.jsonl"))) == 2


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (NameJob(setting=2), "setting 1 instead of 2"),
        (NameJob(weights="b"), "model the bundled one instead of the bundled one (other weights of that name)"),
        (NameJob(weights="b", models=EmbedModelSettings(model="m")), "model the bundled one instead of m"),
        (NameJob(windows=2), "windows by default instead of 2"),
    ],
)
def test_another_model_or_setting_is_refused_with_the_difference(path, job, other, difference):
    run(job, entries(*NAMES), path)
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        run(other, entries(*NAMES), path)
    assert str(error.value) == (
        f"{path} was computed with {difference}; choose another output, or --force to replace it"
    )
    assert path.read_bytes() == before
    run(other, entries(*NAMES), path, force=True)
    assert path.read_bytes() != before


def test_a_bug_is_no_error_of_a_recording(path):
    def fail(name):
        if name == "bb.wav":
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(NameJob(on_recording=fail), entries(*NAMES), path)
    assert [row["file"] for row in json_rows(path)] == ["a.wav"]
    assert not path.with_name("rows.jsonl.errors.jsonl").exists()


def test_an_interrupted_run_keeps_what_is_done(path, job):
    def interrupt(name):
        if name == "ccc.wav":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(NameJob(on_recording=interrupt), entries(*NAMES), path)
    assert len(json_rows(path)) == 2
    run(job, entries(*NAMES), path)
    assert len(json_rows(path)) == 3
