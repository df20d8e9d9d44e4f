"""Run a job on a cluster of two nodes on this machine, one of which is killed in the middle.

    python -m tests.support.two_nodes SOUNDS OUTPUT

A program of its own, since Ray is set up once in a process.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from photism.jobs import ray_cluster
from photism.jobs.ray_worker import ray_worker
from photism.jobs.run import run
from photism.manifest.read import read_manifest
from tests.support.level_job import LevelJob

KILLED_AFTER = 500
NODE = {"num_cpus": 1, "object_store_memory": 2 * ray_cluster.LEAST_OBJECT_STORE_BYTES}


def main(sounds: str, output: str) -> None:
    os.environ.update(ray_cluster.ENVIRONMENT, RAY_AUTH_TOKEN=ray_cluster.random_token())
    ray_cluster.WORKER_THREADS = 1
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    second = cluster.add_node(**NODE)
    done = 0

    def kill_in_the_middle(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == KILLED_AFTER:
            os.kill(second.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    try:
        with ray_worker(LevelJob(), cluster.address) as worker:
            print(run(LevelJob(), read_manifest([sounds]), output, worker=worker, on_outcome=kill_in_the_middle))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
