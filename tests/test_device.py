"""Devices by number, free memory, and memory that is returned to the operating system."""

import os
import subprocess
import sys

import psutil
import pytest
import torch

from photism import device
from photism.device import choose_device, free_bytes, let_threads_sleep, trim_malloc
from photism.encoder.onednn import _OPERATOR

CPU = torch.device("cpu")


def resident_mb():
    return psutil.Process().memory_info().rss / 2**20


def test_memory_freed_between_tensors_that_stay_is_returned():
    if device._malloc_trim() is None:
        pytest.skip("the C library is not glibc")
    tensors = [torch.ones(2**14) for _ in range(3000)]  # 64 kB each
    kept = tensors[::100]
    before = resident_mb()
    del tensors
    trim_malloc(CPU)
    assert resident_mb() < before - 100
    assert all(bool((tensor == 1).all()) for tensor in kept)


def test_without_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(device, "_malloc_trim", lambda: None)
    trim_malloc(CPU)


def test_free_bytes_of_the_machine_are_within_its_memory():
    assert 0 < free_bytes(CPU) <= psutil.virtual_memory().total


def test_a_number_below_zero_is_the_cpu_and_so_is_any_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [choose_device(number) for number in (-1, 0, 3)] == [CPU] * 3


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
