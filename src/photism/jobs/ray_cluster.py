"""Ray clusters: start one on this machine or connect to one, check it, and plan which processes hold a model."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import floor
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.extras import install_command
from photism.jobs.settings import LOCAL

WORKER_THREADS = 4
"""CPUs of a worker without a GPU: more processes hold more copies of the model, more threads wait for each other."""
READER_SHARE = 0.25
"""Part of a CPU that the scheduler keeps for a reader where the models run on CPUs too, or need all of them for their
GPUs. Readers and models then share the CPUs as the operating system divides them, and neither waits for the other with
CPUs idle."""
OBJECT_STORE_BYTES = 2 * 2**30
"""Largest object store of a local cluster: nine hours of decoded sound."""
LEAST_OBJECT_STORE_BYTES = 80 * 2**20  # Ray accepts no less than 75 MiB
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray would print errors of workers to standard output, among the results
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a late call would start another cluster
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # only silences a warning of a change in Ray
}
"""Environment in which Ray is imported and started."""


@dataclass(frozen=True)
class Layout:
    """Which processes hold a model, and what the scheduler keeps for them.

    Attributes:
        workers: number of processes that hold a model.
        threads: threads of each.
        worker_cpus: CPUs that the scheduler keeps for each.
        worker_gpus: GPUs of each.
        reader_cpus: CPUs that the scheduler keeps for each reader.
    """

    workers: int
    threads: int
    worker_cpus: float
    worker_gpus: float
    reader_cpus: float


def plan_layout(nodes: Sequence[Mapping[str, float]], *, device: object = None, workers: int | None = None) -> Layout:
    """Return a worker for each GPU or, without GPUs, for every `WORKER_THREADS` CPUs.

    Args:
        nodes: resources of each node, with "CPU" and "GPU".
        device: device that the user chose; "cpu" leaves GPUs unused.
        workers: number of workers; by default as many as the nodes have room for.

    Raises:
        InputError: the nodes have no CPU.
    """
    gpus = 0 if str(device) == "cpu" else floor(sum(node.get("GPU", 0) for node in nodes))
    cpus = [floor(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    if not cpus:
        has = "no CPU to decode recordings" if gpus else "neither a GPU nor a CPU"
        raise InputError(f"the Ray cluster has {has}; start its nodes with --num-cpus")
    if gpus:
        return _gpu_layout(nodes, workers or gpus)
    threads = min(WORKER_THREADS, *cpus)
    return Layout(
        workers or sum(each // threads for each in cpus),
        threads,
        worker_cpus=threads * (1 - READER_SHARE),
        worker_gpus=0,
        reader_cpus=READER_SHARE,
    )


def _gpu_layout(nodes: Sequence[Mapping[str, float]], workers: int) -> Layout:
    """Return a layout with a GPU for each worker, which leaves CPUs to the readers on some node."""
    pairs = [(floor(node.get("CPU", 0)), floor(node.get("GPU", 0))) for node in nodes]
    fewest = min(cpus / gpus for cpus, gpus in pairs if gpus)
    is_spare = any(cpus > gpus for cpus, gpus in pairs)
    return Layout(
        workers,
        1,
        worker_cpus=min(1, floor(1000 * fewest * (1 - READER_SHARE)) / 1000),
        worker_gpus=1,
        reader_cpus=1 if is_spare else READER_SHARE,
    )


def local_object_store(free_shared_bytes: int, memory_bytes: int) -> tuple[int, bool]:
    """Return the size of the object store of a local cluster, and whether it fits into shared memory.

    Args:
        free_shared_bytes: free space of /dev/shm, which is small in containers.
        memory_bytes: memory of the machine.
    """
    wanted = max(LEAST_OBJECT_STORE_BYTES, min(OBJECT_STORE_BYTES, memory_bytes // 8))
    fitting = free_shared_bytes * 9 // 10
    if fitting >= LEAST_OBJECT_STORE_BYTES:
        return min(wanted, fitting), True
    return wanted, False


@contextmanager
def ray_cluster(address: str) -> Generator[Any]:
    """Connect to a cluster, or start one, until the end of the block.

    Ray writes nothing to the terminal meanwhile, and sends no usage statistics of a cluster that is started here. Such
    a cluster keeps its files in a folder that is deleted, and accepts only processes that know its random token.

    Args:
        address: "local", "auto" for the cluster that the environment or this machine has, or its HOST:PORT.

    Yields:
        the module `ray`.

    Raises:
        InputError: Ray is not installed, there is no such cluster, or a node has another version of Photism.
    """
    own = dict(ENVIRONMENT)
    if address == LOCAL:
        own["RAY_AUTH_TOKEN"] = random_token()
    with environment(own), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.")  # advice for the authors of pipelines, from its threads
        ray = import_ray()
        if ray.is_initialized():  # the caller's connection, which stays
            check_versions(ray)
            yield ray
            return
        folder = tempfile.mkdtemp(prefix="ray-") if address == LOCAL else None  # short: paths of sockets are limited
        try:
            _connect(ray, address, folder)
            check_versions(ray)
            yield ray
        finally:
            ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def import_ray() -> Any:
    """Import Ray and Ray Data.

    Raises:
        InputError: they are not installed.
    """
    try:
        ray = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise InputError(f"--ray needs Ray ({error}): {install_command('cluster')}") from None
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def alive_nodes(ray: Any) -> list[dict[str, Any]]:
    """Return Ray's description of each node that is alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def check_versions(ray: Any) -> None:
    """Check that all nodes have this version of Photism.

    Raises:
        InputError: a node has another version, or none.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from photism import __version__

    remote = ray.remote(num_cpus=0, max_retries=0)(_installed_version)
    asked = {
        node["NodeManagerAddress"]: remote.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in alive_nodes(ray)
    }
    for address, answer in asked.items():
        try:
            found = ray.get(answer)
        except ray.exceptions.RayError as error:
            if "photism" not in str(error):
                raise
            found = None
        if found != __version__:
            has = "no Photism" if found is None else f"Photism {found}"
            raise InputError(f"Ray node {address} has {has}, but this is {__version__}: install the same on all nodes")


def _installed_version() -> str:
    from photism import __version__

    return __version__


def _connect(ray: Any, address: str, folder: str | None) -> None:
    """Connect to a cluster, or start one that keeps its files in a folder."""
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": False}
    if folder is None:
        try:
            with _silent():
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"--ray {address}: no Ray cluster can be reached ({reason})") from error
        return
    import psutil

    shared = Path("/dev/shm")
    free_bytes = shutil.disk_usage(shared).free if shared.is_dir() else 0
    size, is_shared = local_object_store(free_bytes, psutil.virtual_memory().total)
    with _silent():
        ray.init(
            address=LOCAL,
            include_dashboard=False,
            num_cpus=available_cpus(),
            object_store_memory=size,
            _temp_dir=folder,
            _plasma_directory=None if is_shared else folder,
            **quiet,
        )


def available_cpus() -> int:
    """Return the number of CPUs that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _silent() -> Generator[None]:
    """Drop what Ray's native code writes to the error stream as it starts, until the end of the block."""
    stream = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(stream, 2)
        os.close(stream)


@lru_cache(maxsize=1)
def random_token() -> str:
    """Return a random token, which Ray reads once in a process. Without it, Ray would store one in ~/.ray."""
    return secrets.token_hex(32)


@contextmanager
def environment(variables: Mapping[str, str]) -> Generator[None]:
    """Set environment variables until the end of the block; those that the user has set stay.

    Ray sets some of its own, which are removed at the end too.
    """
    former = set(os.environ)
    os.environ.update({name: value for name, value in variables.items() if name not in former})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("RAY_") and name not in former]:
            del os.environ[name]
