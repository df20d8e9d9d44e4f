"""Dynamic loss scale of float16, whose smallest numbers would turn small gradients to 0."""

from __future__ import annotations

INITIAL_SCALE = 2.0**16
GROWTH_STEPS = 2000
"""Steps without overflow after which the scale is doubled."""


class LossScale:
    """Factor of the loss, by which the gradients are divided again before they are used.

    It is halved when a gradient overflows, and doubled after many steps without overflow.

    Args:
        value: initial factor; 1 for a training that needs none, whose factor then never changes.

    Attributes:
        good_steps: steps since the last change.

    Source: https://arxiv.org/abs/1710.03740, section 3.2, with the constants of `torch.amp.GradScaler`.
    """

    def __init__(self, value: float = 1.0) -> None:
        self.value, self.is_dynamic, self.good_steps = value, value > 1, 0

    def shrink(self) -> bool:
        """Halve the scale after an overflow, and return whether that was possible: it is at least 1."""
        if self.value <= 1:
            return False
        self.value, self.good_steps = self.value / 2, 0
        return True

    def grow(self) -> None:
        """Count a step without overflow, and double the scale after `GROWTH_STEPS` of them."""
        if not self.is_dynamic:
            return
        self.good_steps += 1
        if self.good_steps == GROWTH_STEPS:
            self.value, self.good_steps = 2 * self.value, 0
