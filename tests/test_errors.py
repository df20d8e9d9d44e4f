import pytest
import torch

from photism import errors
from photism.errors import InputError, as_input_error, is_out_of_memory


def test_what_a_library_raises_becomes_one_error_with_its_words() -> None:
    with (
        pytest.raises(InputError, match=r"^model talk cannot be loaded: 'weight_map'$") as raised,
        as_input_error("model talk cannot be loaded"),
    ):
        raise KeyError("weight_map")
    assert isinstance(raised.value.__cause__, KeyError)


def test_what_says_what_is_wrong_goes_by_as_it_is() -> None:
    with pytest.raises(InputError, match=r"^steps must be at least 1$"), as_input_error("model talk cannot be loaded"):
        raise InputError("steps must be at least 1")


def test_a_request_to_stop_goes_by() -> None:
    with pytest.raises(KeyboardInterrupt), as_input_error("model talk cannot be loaded"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_lack_of_memory_is_not_the_users_mistake(error) -> None:
    with pytest.raises(type(error)) as raised, as_input_error("model talk cannot be loaded"):
        raise error
    assert raised.value is error
    assert is_out_of_memory(error)


@pytest.mark.parametrize("line", ["None.upper()", "undefined", "len(1)"])
def test_a_bug_in_our_own_lines_is_not_the_users_mistake(line) -> None:
    with (
        pytest.raises((AttributeError, NameError, TypeError)) as raised,
        as_input_error("model talk cannot be loaded"),
    ):
        exec(compile(line, f"{errors.PACKAGE}/loading.py", "exec"))
    assert not isinstance(raised.value, InputError)
    assert not is_out_of_memory(raised.value)


def test_the_same_error_within_a_library_is_about_the_file_that_it_reads() -> None:
    with (
        pytest.raises(InputError, match=r"^model talk cannot be loaded: "),
        as_input_error("model talk cannot be loaded"),
    ):
        exec(compile("None.upper()", "/lib/transformers/loading.py", "exec"))
