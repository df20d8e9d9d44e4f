"""Check that the output of a model is finite: NaN and infinity are never an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from photism.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotFiniteError(InputError):
    """An output of a model contains NaN or infinity.

    Attributes:
        name: name of the output, such as "logits".
        dtype: dtype that the model computes in.
        rows: indices of the items of the batch whose output does.
    """

    def __init__(self, name: str, dtype: torch.dtype, rows: Sequence[int] = (), *, count: int = 0) -> None:
        numbers = ", ".join(str(row) for row in rows)
        which = f" for items {numbers} of 0 to {count - 1}" if len(rows) < count else ""
        remedy = (
            "float16 ends at 65,504: load the model in float32 or bfloat16"
            if dtype == torch.float16
            else "the weights are damaged or too large: repair the checkpoint, or fetch it again"
        )
        super().__init__(f"the {name} are not finite{which}; {remedy}")
        self.name, self.dtype, self.rows = name, dtype, tuple(rows)


def check_finite(output: Tensor, name: str, dtype: torch.dtype) -> Tensor:
    """Return an output of a model after checking it.

    Args:
        output: (B, …), for a batch of B items that do not depend on each other.
        name: name of the output, such as "logits".
        dtype: dtype that the model computes in.

    Raises:
        NotFiniteError: it contains NaN or infinity.
    """
    # A sum that is finite has only finite parts. It may overflow where these are large, and then each is checked.
    if not output.sum(dtype=torch.float32).isfinite():
        rows = (~output.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist()
        if rows:
            raise NotFiniteError(name, dtype, rows, count=len(output))
    return output


def each_finite(
    compute: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> list[Result | NotFiniteError]:
    """Compute a batch, and return the error of an item in place of its result if that is not finite.

    Args:
        compute: returns a result for each item, which does not depend on the others. It is called again without the
            items at fault.
        batch: items.
    """
    errors: dict[int, NotFiniteError] = {}
    remaining = list(range(len(batch)))
    results: Sequence[Result] = ()
    while remaining:
        try:
            results = compute([batch[index] for index in remaining])
            break
        except NotFiniteError as error:
            if not error.rows:
                raise
            errors.update({remaining[row]: NotFiniteError(error.name, error.dtype) for row in error.rows})
            remaining = [index for index in remaining if index not in errors]
    found = dict(zip(remaining, results, strict=True))
    return [errors[index] if index in errors else found[index] for index in range(len(batch))]
