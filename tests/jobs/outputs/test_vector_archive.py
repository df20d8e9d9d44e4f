"""Vectors as .npz and .safetensors: what the files hold, resuming, replacing, and files that no job wrote."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from photism.errors import InputError
from photism.jobs.outputs.vector_archive import _as_rows
from photism.jobs.rows import as_json_line
from photism.jobs.run import run
from tests.support.jobs import NameJob, entries, newer

NAMES = ("a.wav", "bb.wav", "ccc.wav")
LENGTHS = [5, 6, 7]


@pytest.fixture(params=["x.npz", "x.safetensors"])
def path(request, tmp_path):
    return tmp_path / request.param


def vectors(path):
    found = np.load(path)["vectors"] if path.suffix == ".npz" else load_file(path)["vectors"]
    assert found.dtype == np.float32
    return found


def lengths(path):
    return vectors(path)[:, 0].tolist()


def test_an_archive_has_the_vectors_their_recordings_and_their_ids(tmp_path):
    listed = entries(*NAMES)
    run(NameJob(), listed, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert archive["files"].tolist() == list(NAMES)
        assert [text.split("-")[1] for text in archive["ids"].tolist()] == [each.key for each in listed]
        assert archive["vectors"].tolist() == [[length] * 4 for length in LENGTHS]
        assert np.isnan(archive["start_s"]).all()
    assert {each.name for each in tmp_path.iterdir()} == {"x.npz", ".x.npz.lock"}


def test_windows_have_their_times(path):
    run(NameJob(windows=2), entries(*NAMES[:2]), path)
    assert lengths(path) == [5, 5, 6, 6]
    if path.suffix == ".npz":
        with np.load(path) as archive:
            assert archive["start_s"].tolist() == [0, 1, 0, 1]
            assert archive["end_s"].tolist() == [1, 2, 1, 2]


def test_the_same_call_again_goes_on(path):
    processed = []
    job = NameJob(on_recording=processed.append)
    run(job, entries(*NAMES[:2]), path)
    content = path.read_bytes()
    run(job, entries(*NAMES[:2]), path)
    assert path.read_bytes() == content
    run(job, entries(*NAMES), path)
    assert processed == list(NAMES)
    assert lengths(path) == LENGTHS


def test_a_call_after_a_kill_goes_on(path, monkeypatch):
    processed = []
    job = NameJob(on_recording=processed.append)
    with monkeypatch.context() as patch:
        patch.setattr("photism.jobs.outputs.vector_archive.VectorArchive.close", lambda self: self._resources.close())
        run(job, entries(*NAMES[:2]), path)
    assert not path.exists()
    run(job, entries(*NAMES), path)
    assert (processed, lengths(path)) == (list(NAMES), LENGTHS)


def test_a_changed_recording_replaces_its_vector_and_an_unreadable_one_removes_it(path):
    listed = entries("a.wav", "broken.wav")
    run(NameJob(mended=True), listed, path)
    assert lengths(path) == [5, 10]
    listed = [newer(each) for each in listed]
    assert run(NameJob(), listed, path).errors == 1
    assert lengths(path) == [5]
    assert path.with_name(f"{path.name}.errors.jsonl").exists()


def test_vectors_of_another_model_are_refused(path):
    run(NameJob(), entries(*NAMES), path)
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"was computed with setting 1 instead of 2; .* --force"):
        run(NameJob(setting=2), entries(*NAMES), path)
    assert path.read_bytes() == content
    run(NameJob(setting=2), entries(*NAMES[:1]), path, force=True)
    assert lengths(path) == [5]


def test_a_file_that_is_not_of_a_job_is_refused(path):
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="was not written by this command; choose another output, or --force"):
        run(NameJob(), entries(*NAMES), path)
    np.savez(path.with_suffix(".npz"), vectors=np.ones(3))
    with pytest.raises(InputError, match="was not written by this command"):
        run(NameJob(), entries(*NAMES), path.with_suffix(".npz"))


def test_without_a_vector_there_is_no_file(path):
    assert run(NameJob(), entries("broken.wav"), path).errors == 1
    assert not path.exists()


def test_float32_is_kept_to_the_last_bit():
    numbers = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    texts = np.array(["x"] * 50)
    times = np.full(50, np.nan)
    rows = _as_rows({"vectors": numbers, "files": texts, "ids": texts, "start_s": times, "end_s": times})
    again = np.array([json.loads(as_json_line(row))["vector"] for row in rows], np.float32)
    np.testing.assert_array_equal(again, numbers)
