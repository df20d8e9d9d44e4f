import numpy as np
import torch

from photism.display.short_repr import MAX_LENGTH, shortened, summarize


def test_arrays_are_summarised() -> None:
    assert summarize(np.zeros((2, 3), np.float32)) == "float32 (2, 3)"
    assert summarize(torch.zeros(4, dtype=torch.bfloat16)) == "bfloat16 (4,)"


def test_long_lists_are_counted() -> None:
    assert summarize([1, 2.0, "c"]) == "[1, 2, 'c']"
    assert summarize((1,)) == "(1,)"
    assert summarize(tuple(range(1000))) == "(1,000 items)"
    assert summarize({"a": 1}) == "{'a': 1}"


def test_a_text_of_the_limit_is_whole() -> None:
    assert shortened("x" * MAX_LENGTH, MAX_LENGTH) == "x" * MAX_LENGTH
    assert shortened("x" * (MAX_LENGTH + 1), MAX_LENGTH) == "x" * (MAX_LENGTH - 1) + "…"
    assert shortened("a\nb", 3) == "a b"
