"""Run a job for a verb: where its model is loaded."""

from contextlib import contextmanager

import pytest

from photism.cli.process import open_worker
from photism.jobs.settings import RunSettings
from tests.support.level_job import LevelJob


@pytest.fixture
def clusters(monkeypatch):
    """Replace Ray clusters, and return the arguments that they are opened with."""
    opened = []

    @contextmanager
    def ray_worker(job, address, *, device, workers):
        opened.append((job, address, device, workers))
        yield "worker"
        opened.append("closed")

    monkeypatch.setattr("photism.jobs.ray_worker.ray_worker", ray_worker)
    return opened


def test_a_job_runs_in_this_process_or_on_a_cluster(clusters):
    job, loaded = LevelJob(), []
    with open_worker(job, RunSettings(), on_load=loaded.append) as worker:
        assert loaded == [worker]
    assert not clusters
    with open_worker(job, RunSettings(ray="auto", ray_workers=3), device="cpu", on_load=loaded.append) as worker:
        assert worker == "worker"
    assert clusters == [(job, "auto", "cpu", 3), "closed"]
    assert len(loaded) == 1
