import psutil
import pytest
import torch

from photism.training import microbatches as chunks
from photism.training.microbatches import give_back


def resident_mb():
    return psutil.Process().memory_info().rss / 2**20


def test_what_is_freed_between_what_is_kept_is_given_back():
    if chunks._malloc_trim() is None:
        pytest.skip("the C library is not glibc")
    pieces = [torch.ones(2**14) for _ in range(3000)]  # 64 kB each
    kept = pieces[::100]
    held = resident_mb()
    del pieces
    give_back(torch.device("cpu"))
    assert resident_mb() < held - 100
    assert all(bool((piece == 1).all()) for piece in kept)


def test_it_does_nothing_elsewhere(monkeypatch):
    monkeypatch.setattr(chunks, "_malloc_trim", lambda: None)
    give_back(torch.device("cpu"))
