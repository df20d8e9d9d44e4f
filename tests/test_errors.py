"""Which errors become an InputError, and which do not."""

import errno

import pytest
import torch

from photism import errors
from photism.errors import InputError, as_input_error, is_out_of_memory


def test_an_error_of_a_library_becomes_an_input_error() -> None:
    with (
        pytest.raises(InputError, match=r"^model talk cannot be loaded: 'weight_map'$") as raised,
        as_input_error("model talk cannot be loaded"),
    ):
        raise KeyError("weight_map")
    assert isinstance(raised.value.__cause__, KeyError)


def test_an_input_error_is_not_changed() -> None:
    with pytest.raises(InputError, match=r"^steps must be at least 1$"), as_input_error("model talk cannot be loaded"):
        raise InputError("steps must be at least 1")


def test_a_keyboard_interrupt_is_not_changed() -> None:
    with pytest.raises(KeyboardInterrupt), as_input_error("model talk cannot be loaded"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_out_of_memory_is_not_an_input_error(error) -> None:
    with pytest.raises(type(error)) as raised, as_input_error("model talk cannot be loaded"):
        raise error
    assert raised.value is error
    assert is_out_of_memory(error)


@pytest.mark.parametrize("line", ["None.upper()", "undefined", "len(1)"])
def test_a_bug_in_our_own_lines_is_not_an_input_error(line) -> None:
    with (
        pytest.raises((AttributeError, NameError, TypeError)) as raised,
        as_input_error("model talk cannot be loaded"),
    ):
        exec(compile(line, f"{errors.PACKAGE}/loading.py", "exec"))
    assert not isinstance(raised.value, InputError)
    assert not is_out_of_memory(raised.value)


def test_the_same_error_within_a_library_is_an_input_error() -> None:
    with (
        pytest.raises(InputError, match=r"^model talk cannot be loaded: "),
        as_input_error("model talk cannot be loaded"),
    ):
        exec(compile("None.upper()", "/lib/transformers/loading.py", "exec"))
