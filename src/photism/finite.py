"""Check that the output of a model is finite: NaN and infinity are never an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from photism.errors import NotFiniteError

Item = TypeVar("Item")
Result = TypeVar("Result")


def check_finite(output: Tensor, name: str, dtype: torch.dtype) -> Tensor:
    """Return an output of a model after checking it.

    Args:
        output: (B, …), for a batch of B items.
        name: name of the output, such as "logits".
        dtype: dtype that the model computes in.

    Raises:
        NotFiniteError: it contains NaN or infinity.
    """
    # A sum that is finite has only finite parts. It may overflow where these are large, and then each is checked.
    if output.sum(dtype=torch.float32).isfinite():
        return output
    items = (~output.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist()
    if not items:
        return output
    which = "" if len(items) == len(output) else f" for items {', '.join(map(str, items))} of 0 to {len(output) - 1}"
    remedy = (
        "float16 ends at 65,504: load the model in float32 or bfloat16"
        if dtype == torch.float16
        else "the weights are damaged or too large: repair the checkpoint, or fetch it again"
    )
    raise NotFiniteError(f"the {name} are not finite{which}; {remedy}")


def each_finite(
    compute: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> Sequence[Result | NotFiniteError]:
    """Compute a batch, and return the error of an item in place of its result if that is not finite.

    Args:
        compute: returns a result for each item, which does not depend on the others. It is called for each item alone
            if the results of the batch are not finite.
        batch: items.
    """
    try:
        return compute(batch)
    except NotFiniteError as error:
        if len(batch) == 1:
            return [error]
    return [each_finite(compute, [item])[0] for item in batch]
