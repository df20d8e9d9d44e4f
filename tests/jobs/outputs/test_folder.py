"""Folders with a file for each recording: resuming, kills between two writes, and files of something else."""

from dataclasses import replace

import pytest

from photism.errors import InputError
from photism.jobs.outputs import folder
from photism.jobs.run import run
from tests.support.jobs import NameJob, entries, json_rows, newer

NAMES = ("a.wav", "bb.wav", "é.wav")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts"


def run_to(path, listed, job=None, **settings):
    return run(job or NameJob(), listed, f"{path}/", format="srt", **settings)


def texts_of(path):
    return {str(file.relative_to(path)): file.read_text() for file in path.rglob("*.srt")}


def test_each_recording_has_a_file(path):
    run_to(path, entries(*NAMES))
    assert texts_of(path) == {"a.srt": "a 5\n", "bb.srt": "bb 6\n", "é.srt": "é 5\n"}
    assert {each.name for each in path.iterdir() if each.name[0] == "."} == {".journal", ".folder.lock"}


def test_the_same_call_again_goes_on(path):
    run_to(path, entries(*NAMES[:2]))
    assert (path / "bb.srt").unlink() is None
    summary = run_to(path, entries(*NAMES))
    assert (summary.processed, summary.done_before) == (2, 1)
    assert len(texts_of(path)) == 3


def test_a_changed_recording_replaces_its_file(path):
    listed = entries(*NAMES)
    run_to(path, listed)
    (path / "a.srt").write_text("old")
    run_to(path, [newer(listed[0]), *listed[1:]])
    assert texts_of(path)["a.srt"] == "a 5\n"


def test_a_recording_that_breaks_loses_its_file(path):
    listed = entries("a.wav", "broken.wav")
    run_to(path, listed, NameJob(mended=True))
    run_to(path, [newer(each) for each in listed])
    assert set(texts_of(path)) == {"a.srt"}
    assert [row["file"] for row in json_rows(path / "errors.jsonl")] == ["broken.wav"]


def test_a_kill_between_journal_and_file_loses_nothing(path, monkeypatch):
    listed = entries(*NAMES)
    run_to(path, listed)
    changed = [newer(listed[0]), *listed[1:]]

    def killed(_):
        raise SystemExit

    with monkeypatch.context() as patches:
        patches.setattr(folder, "atomic_text", killed)
        with pytest.raises(SystemExit):
            run_to(path, changed)
    assert run_to(path, changed).done_before == 2
    assert len(texts_of(path)) == 3


def test_files_of_something_else_are_errors_unless_forced(path):
    path.mkdir()
    (path / "bb.srt").write_text("my work")
    summary = run_to(path, entries(*NAMES))
    assert (summary.processed, summary.errors) == (2, 1)
    (error,) = json_rows(path / "errors.jsonl")
    assert error["where"] == "writing"
    assert "exists and is not of this recording" in error["what"]
    assert (path / "bb.srt").read_text() == "my work"

    def interrupt(name):
        if name == "bb.wav":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_to(path, entries(*NAMES), NameJob(on_recording=interrupt), force=True)
    assert run_to(path, entries(*NAMES)).processed == 2
    assert texts_of(path)["bb.srt"] == "bb 6\n"


def test_other_settings_are_refused(path):
    run_to(path, entries(*NAMES))
    with pytest.raises(InputError, match="was computed with setting 1 instead of 2"):
        run_to(path, entries(*NAMES), NameJob(setting=2))


def test_a_recording_has_another_name_than_the_file_of_errors(path):
    listed = entries("errors.wav", "broken.wav")
    for _ in range(2):
        run(NameJob(), listed, f"{path}/", format="jsonl")
        (result,) = path.glob("errors-*.jsonl")
        assert result.read_text() == "errors 10\n"
        assert [row["file"] for row in json_rows(path / "errors.jsonl")] == ["broken.wav"]


@pytest.mark.parametrize(("mended", "names"), [(True, {"birds/owl.srt"}), (False, set())])
def test_a_changed_recording_of_another_name_leaves_no_old_file(path, mended, names):
    listed = replace(entries("broken.wav")[0], name="owl.wav")
    run_to(path, [listed, *entries("a.wav")], NameJob(mended=True))
    assert set(texts_of(path)) == {"owl.srt", "a.srt"}
    moved = replace(newer(listed), name="birds/owl.wav")
    run_to(path, [moved, *entries("a.wav")], NameJob(mended=mended))
    assert set(texts_of(path)) == {"a.srt"} | names


def test_a_file_of_another_recording_stays(path):
    one, other = entries("a.wav", "b.wav")
    run_to(path, [one, other])
    summary = run_to(path, [replace(newer(one), name="b.wav")], NameJob())
    assert summary.errors == 1
    assert texts_of(path) == {"b.srt": "b 5\n"}


def test_long_names_are_shortened(path):
    listed = [replace(entries("a.wav")[0], name=f"{'x' * 300}/{'é' * 140}.wav"), *entries("b.wav")]
    assert run_to(path, listed).processed == 2
    assert run_to(path, listed).done_before == 2


def test_a_name_that_the_folder_cannot_have_is_an_error_of_its_recording(path):
    deep = "/".join(["x" * 150] * 30)
    listed = [
        replace(each, name=name) for each, name in zip(entries(*NAMES), ("a.wav", "a.srt/b.wav", deep), strict=True)
    ]
    for processed in (1, 0):
        summary = run_to(path, listed)
        assert (summary.processed, summary.errors) == (processed, 2)
    errors = json_rows(path / "errors.jsonl")
    assert [row["where"] for row in errors] == ["writing", "writing"]
    assert errors[1]["what"].endswith("File name too long; rename the recording")
