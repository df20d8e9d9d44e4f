"""Memory of models that are not used any more."""

import weakref
from types import SimpleNamespace

import psutil
import pytest

from photism.server.engine.memory import give_back_memory, is_memory_short


@pytest.mark.parametrize(("available", "is_short"), [(9, True), (10, False)])
def test_memory_is_short_below_a_tenth(monkeypatch, available, is_short):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available, total=100))
    assert is_memory_short() is is_short


def test_a_model_in_a_cycle_of_references_is_freed():
    class Model:
        pass

    model = Model()
    model.itself = model
    freed = weakref.ref(model)
    del model
    give_back_memory()
    assert freed() is None
