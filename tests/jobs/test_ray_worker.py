"""Jobs on Ray: the rows of one pass without Ray, whatever dies."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from photism.errors import InputError
from photism.jobs.ray_worker import ray_worker
from photism.jobs.run import run
from photism.manifest.read import read_manifest
from tests.support.level_job import LevelJob, write_noise

if find_spec("ray") is None:
    pytest.skip("needs Ray", allow_module_level=True)


def rows(path):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda row: row["id"])


def make_sounds(folder, count=9):
    """Write recordings, one of which is broken, and the rows of a run without Ray."""
    write_noise(folder / "sounds", count)
    (folder / "sounds/broken.wav").write_text("no sound")
    recordings = read_manifest([str(folder / "sounds")])
    run(LevelJob(), recordings, folder / "plain.jsonl")
    return recordings


@pytest.mark.slow
def test_a_local_cluster_gives_the_rows_of_a_run_without_ray(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    recordings = make_sounds(tmp_path)
    with ray_worker(LevelJob(), "local") as worker:
        summary = run(LevelJob(), recordings, tmp_path / "ray.jsonl", worker=worker)
    assert rows(tmp_path / "ray.jsonl") == rows(tmp_path / "plain.jsonl")
    errors = [(tmp_path / f"{name}.jsonl.errors.jsonl").read_text() for name in ("ray", "plain")]
    assert errors[0] == errors[1]
    assert (summary.processed, summary.errors) == (9, 1)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / ".ray").exists()
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.slow
def test_what_kills_its_process_is_an_error_of_that_recording(tmp_path):
    recordings = make_sounds(tmp_path, 30)
    with ray_worker(LevelJob(), "local") as worker:  # the following ones use its cluster
        with ray_worker(LevelJob(deadly="0017"), "local") as deadly:
            summary = run(LevelJob(), recordings, tmp_path / "ray.jsonl", worker=deadly)
        assert (summary.processed, summary.errors) == (29, 2)
        (row,) = [each for each in rows(tmp_path / "ray.jsonl.errors.jsonl") if "0017" in each["file"]]
        assert row["what"].endswith("0017.wav: its worker process was killed, 3 times")
        with ray_worker(LevelJob(buggy="0004"), "local") as buggy, pytest.raises(KeyError, match="bug"):
            run(LevelJob(), recordings, tmp_path / "buggy.jsonl", worker=buggy)
        with pytest.raises(InputError, match="no such model"), ray_worker(LevelJob(unloadable=True), "local"):
            pass
        again = run(LevelJob(), recordings, tmp_path / "ray.jsonl", worker=worker)
        assert (again.done_before, again.processed, again.errors) == (29, 1, 1)
    assert rows(tmp_path / "ray.jsonl") == rows(tmp_path / "plain.jsonl")


@pytest.mark.slow
def test_a_lost_node_loses_no_recording(tmp_path):
    """Kill the second of two nodes in the middle: the rows are those of a run without Ray, each once."""
    make_sounds(tmp_path, 1500)
    output = tmp_path / "ray.jsonl"
    program = [sys.executable, "-m", "tests.support.two_nodes", str(tmp_path / "sounds"), str(output)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1,500 of 1,501 recordings were processed, 1 error")
    assert len({row["id"] for row in rows(output)}) == 1500
    assert rows(output) == rows(tmp_path / "plain.jsonl")
