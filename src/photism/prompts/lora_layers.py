"""Layers of a model that have LoRA weights."""

from __future__ import annotations

import sys
from typing import Any


def lora_layers(model: Any) -> list[Any]:
    """Return the layers of a model that have LoRA weights, as PEFT adds them."""
    if "peft" not in sys.modules:  # without which there are none
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
