import pytest

from photism.errors import InputError, as_input_error


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
