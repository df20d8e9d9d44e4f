"""Weights of words in a text prompt, in the syntax of compel.

    a cat++ on a mat              a word counts more: each + is a factor of 1.1, each - one of 0.9
    a (red cat)1.3, (dogs)-       several words in brackets, with a factor or signs

A text without a weight is encoded as it is, brackets and signs included. Nothing here imports torch until a text has a
weight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from photism.errors import InputError
from photism.extras import require
from photism.settings import SettingError

MAY_HAVE_WEIGHTS = re.compile(r"[^\s+\-][+-]+(?![\w+\-])|\)(?:[+\-]|\.?\d)|\.(?:and|blend|swap)\(")
"""Signs at the end of a word, and what follows a bracket; compel decides whether it is a weight."""
OTHER_WEIGHT = re.compile(r"\(([^():]*):\s*(\d*\.?\d+)\s*\)")
OTHER_LORA = re.compile(r"<lora:([^:>]*)[^>]*>")


class WeightedText(NamedTuple):
    """A text in parts, and the weight of each; 1 is the weight of other texts."""

    parts: Sequence[str]
    weights: Sequence[float]

    @property
    def text(self) -> str:
        """The text without its weights."""
        return " ".join(self.parts)


def check_weight_syntax(text: str, name: str) -> None:
    """Check the syntax of a text before a library or a model is loaded.

    Args:
        text: text of a prompt.
        name: name of the setting that it comes from.

    Raises:
        SettingError: it has the syntax of other programs, which would be read as words.
        InputError: it may have weights, and compel is not installed.
    """
    if found := OTHER_WEIGHT.search(text):
        words, weight = found.groups()
        raise SettingError(name, f"has a weight in another syntax, {found[0]}; write ({words.strip()}){weight}")
    if found := OTHER_LORA.search(text):
        raise SettingError(name, f"cannot load {{}}; give {{}} {found[1]}", found[0], "lora")
    if MAY_HAVE_WEIGHTS.search(text):
        require("compel", f"{name} with weights", "diffusion")


def read_weights(text: str, name: str) -> WeightedText | None:
    """Return the parts of a text and their weights; None for a text without weights.

    Args:
        text: text of a prompt.
        name: what an error message calls it.

    Raises:
        InputError: it has the syntax of other programs, or something of compel's that is no weight.
    """
    check_weight_syntax(text, name)
    if not MAY_HAVE_WEIGHTS.search(text):
        return None
    from compel.prompt_parser import Fragment, PromptParser

    prompts: list[Any] = PromptParser().parse_conjunction(text).prompts
    parts: list[Any] = [part for prompt in prompts for part in getattr(prompt, "children", [prompt])]
    if len(prompts) > 1 or not all(type(part) is Fragment for part in parts):
        raise InputError(f"{name} must not contain .and(), .blend() or .swap(); weights such as cat++ are possible")
    if all(part.weight == 1 for part in parts):
        return None
    return WeightedText([part.text for part in parts], [part.weight for part in parts])
