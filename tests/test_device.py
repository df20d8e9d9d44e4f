"""Devices by number, free memory, and memory that is returned to the operating system."""

import psutil
import pytest
import torch

from photism import device
from photism.device import choose_device, free_bytes, trim_malloc

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
