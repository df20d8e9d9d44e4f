"""Ray clusters: the layout of workers, the object store, and what is refused; without Ray."""

import os
import subprocess
import sys

import pytest

from photism.errors import InputError
from photism.jobs.ray_cluster import Layout, environment, local_object_store, plan_layout

MB = 2**20


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        ([{"CPU": 2}], {}, Layout(1, 2, 1.5, 0, 0.25)),
        ([{"CPU": 1}], {}, Layout(1, 1, 0.75, 0, 0.25)),
        ([{"CPU": 16}, {"CPU": 9}], {}, Layout(6, 4, 3, 0, 0.25)),
        ([{"CPU": 16}, {"CPU": 2}], {}, Layout(9, 2, 1.5, 0, 0.25)),
        ([{"CPU": 16}, {"memory": 1}], {"workers": 2}, Layout(2, 4, 3, 0, 0.25)),
        ([{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 2}, {"CPU": 64}], {}, Layout(3, 1, 1, 1, 1)),
        ([{"CPU": 8, "GPU": 8}], {}, Layout(8, 1, 0.75, 1, 0.25)),
        ([{"CPU": 4, "GPU": 8}], {}, Layout(8, 1, 0.375, 1, 0.25)),
        ([{"CPU": 5, "GPU": 4}], {}, Layout(4, 1, 0.937, 1, 1)),
        ([{"CPU": 2, "GPU": 4}, {"CPU": 64}], {}, Layout(4, 1, 0.375, 1, 1)),
        ([{"GPU": 1}, {"CPU": 2}], {}, Layout(1, 1, 0, 1, 1)),
        ([{"CPU": 8, "GPU": 1}], {"device": "cpu"}, Layout(2, 4, 3, 0, 0.25)),
    ],
)
def test_a_worker_for_each_gpu_or_for_four_cpus(nodes, options, expected):
    assert plan_layout(nodes, **options) == expected


def test_readers_find_a_cpu_beside_the_workers():
    for cpus in range(1, 20):
        for gpus in range(1, 20):
            layout = plan_layout([{"CPU": cpus, "GPU": gpus}])
            assert gpus * layout.worker_cpus + layout.reader_cpus <= cpus, (cpus, gpus)


@pytest.mark.parametrize(
    ("node", "problem"), [({"memory": 1.0}, "neither a GPU nor a CPU"), ({"GPU": 2}, "no CPU to decode recordings")]
)
def test_a_cluster_without_cpus_is_refused(node, problem):
    with pytest.raises(InputError, match=problem):
        plan_layout([node])


@pytest.mark.parametrize(
    ("free_mb", "memory_mb", "expected_mb", "is_shared"),
    [(64_000, 64_000, 2048, True), (64_000, 4000, 500, True), (100, 64_000, 90, True), (64, 64_000, 2048, False)],
)
def test_the_object_store_fits_into_shared_memory_or_is_on_disk(free_mb, memory_mb, expected_mb, is_shared):
    assert local_object_store(free_mb * MB, memory_mb * MB) == (expected_mb * MB, is_shared)


def test_variables_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "debug")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with environment({"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0"}):
        assert os.environ["RAY_BACKEND_LOG_LEVEL"] == "debug"
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_ray_is_not_imported_before_it_is_used():
    code = "import sys, photism.jobs.run, photism.jobs.ray_worker; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
