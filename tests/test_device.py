"""Devices by number, free memory, and memory that is returned to the operating system."""

import os
import subprocess
import sys

import psutil
import pytest
import torch

from photism import device
from photism.device import MALLOC_OPTIONS, choose_device, free_bytes, keep_freed_memory, let_threads_sleep, trim_malloc
from photism.encoder.onednn import _OPERATOR
from photism.errors import InputError

CPU = torch.device("cpu")


def resident_mb():
    return psutil.Process().memory_info().rss / 2**20


def test_memory_freed_between_tensors_that_stay_is_returned():
    if device._c_function("malloc_trim") is None:
        pytest.skip("the C library is not glibc")
    tensors = [torch.ones(2**14) for _ in range(3000)]  # 64 kB each
    kept = tensors[::100]
    before = resident_mb()
    del tensors
    trim_malloc(CPU)
    assert resident_mb() < before - 100
    assert all(bool((tensor == 1).all()) for tensor in kept)


def test_without_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(device, "_c_function", lambda name: None)
    trim_malloc(CPU)
    keep_freed_memory()


def test_free_bytes_of_the_machine_are_within_its_memory():
    assert 0 < free_bytes(CPU) <= psutil.virtual_memory().total


def test_a_number_below_zero_is_the_cpu_and_so_is_any_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [choose_device(number) for number in (-1, 0, 3)] == [CPU] * 3


@pytest.mark.parametrize("name", ["meta", "mkldnn", "xpu:9", "gpu", ""])
def test_a_device_that_cannot_compute_here_is_refused(name):
    with pytest.raises(InputError, match="device must be one of this machine, such as cpu or cuda; got"):
        choose_device(name)


BLOCKS_SCRIPT = """
import resource, sys, threading
from photism.device import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
import torch
def faults():
    for _ in range(2):  # in the first round the heap grows
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(2**23)  # 32 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
found = [faults()]
thread = threading.Thread(target=lambda: found.append(faults()))
thread.start()
thread.join()
print(*found)
"""


def without_malloc_settings():
    return {name: value for name, value in os.environ.items() if "MALLOC" not in name and name != "GLIBC_TUNABLES"}


def test_freed_memory_is_used_again_in_each_thread():
    if device._c_function("mallopt") is None:
        pytest.skip("the C library is not glibc")
    command, environment = [sys.executable, "-c", BLOCKS_SCRIPT], without_malloc_settings()
    kept, mapped = (
        [int(faults) for faults in subprocess.check_output([*command, how], env=environment, text=True).split()]
        for how in ("kept", "mapped")
    )
    assert all(many > 5 * few for few, many in zip(kept, mapped, strict=True))


@pytest.mark.parametrize(
    ("variable", "value", "is_set"),
    [
        (None, "", True),
        ("MALLOC_ARENA_MAX", "2", False),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", False),
        ("GLIBC_TUNABLES", "glibc.cpu.x86_shstk=on", True),
    ],
)
def test_malloc_is_set_unless_the_user_has_set_it(monkeypatch, variable, value, is_set):
    monkeypatch.setattr(os, "environ", without_malloc_settings() | ({variable: value} if variable else {}))
    options = []
    monkeypatch.setattr(device, "_c_function", lambda name: lambda *given: options.append(given))
    keep_freed_memory()
    assert options == list(MALLOC_OPTIONS) * is_set


SHAPES_SCRIPT = """
import sys
from photism.device import limit_kernel_caches
if sys.argv[1] == "limited":
    limit_kernel_caches()
import psutil, torch
from photism.encoder.onednn import linear
weight = torch.ones(64, 64)
def run(lengths):
    for length in lengths:
        linear(torch.ones(length, 64), weight)
    return psutil.Process().memory_info().rss
with torch.no_grad():
    before = run(range(1, 200))
    print(run(range(200, 1000)) - before)
"""


@pytest.mark.slow
def test_the_kernels_of_many_lengths_are_not_kept():
    if _OPERATOR is None:
        pytest.skip("torch has no oneDNN")
    variables = {name: value for name, value in os.environ.items() if name not in device.KERNEL_CACHES}
    grown = {
        limit: int(subprocess.check_output([sys.executable, "-c", SHAPES_SCRIPT, limit], env=variables, text=True))
        for limit in ("limited", "unlimited")
    }
    assert grown["limited"] < grown["unlimited"] / 2


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(monkeypatch, given, used):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == used
