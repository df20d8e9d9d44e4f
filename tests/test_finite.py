"""Outputs that are not finite are errors that name the output and the remedy; the other items of a batch go on."""

import pytest
import torch

from photism.errors import NotFiniteError
from photism.finite import check_finite, each_finite


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_finite_output_is_returned_even_where_its_sum_overflows(dtype):
    output = torch.full((2, 3), torch.finfo(dtype).max, dtype=dtype)
    assert check_finite(output, "logits", dtype) is output


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_named(value):
    output = torch.zeros(3, 2, 2)
    output[1, 0, 1] = value
    with pytest.raises(NotFiniteError, match=r"^the logits are not finite for items 1 of 0 to 2; the weights"):
        check_finite(output, "logits", torch.float32)
    with pytest.raises(
        NotFiniteError, match=r"^the logits are not finite; the weights are damaged or too large: repair"
    ):
        check_finite(output[1:2], "logits", torch.float32)


def test_opposite_infinities_do_not_cancel():
    with pytest.raises(NotFiniteError):
        check_finite(torch.tensor([[float("inf"), -float("inf")]]), "logits", torch.float32)


def test_an_overflow_in_float16_has_a_remedy():
    message = r"the latents are not finite; float16 ends at 65,504: load the model in float32 or bfloat16"
    with pytest.raises(NotFiniteError, match=message):
        check_finite(torch.full((1, 2), float("inf")), "latents", torch.float16)


def test_the_other_items_of_a_batch_are_computed_again():
    calls = []

    def compute(batch):
        calls.append(list(batch))
        values = torch.tensor([[0.0 if each != "bad" else float("nan")] for each in batch])
        check_finite(values, "logits", torch.float32)
        return [each.upper() for each in batch]

    results = each_finite(compute, ["a", "bad", "b", "bad"])
    assert (results[0], results[2]) == ("A", "B")
    assert all(isinstance(results[index], NotFiniteError) for index in (1, 3))
    assert str(results[1]).startswith("the logits are not finite")
    assert calls == [["a", "bad", "b", "bad"], ["a"], ["bad"], ["b"], ["bad"]]
    assert each_finite(compute, ["a", "b"]) == ["A", "B"]
    assert all(isinstance(each, NotFiniteError) for each in each_finite(compute, ["bad", "bad"]))
