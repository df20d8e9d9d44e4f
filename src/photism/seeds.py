"""Random seeds of what is generated: one number stands for itself and the next ones."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from numbers import Integral
from operator import index
from typing import Any

from photism.settings import SettingError

SEED_LIMIT = 2**63
"""Seeds are below this number, as torch's generators require."""
RANDOM_SEED_LIMIT = 2**32
"""Random seeds are below this number, short enough to be typed again."""


def expand_seeds(seed: int | Sequence[int] | None, count: int, *, count_name: str = "count") -> tuple[int, ...]:
    """Return the seeds of several images or waveforms.

    Args:
        seed: seed of the first one, incremented for each further one; a seed for each; or None for random seeds.
        count: number of seeds.
        count_name: name of the setting that is the number.

    Raises:
        SettingError: a seed is not a whole number or out of range, or there are not as many as needed.
    """
    if seed is None:
        return tuple(secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(count))
    # numpy's integers are Integral, and not int.
    values: Any = range(int(seed), int(seed) + count) if isinstance(seed, Integral) else seed
    try:
        seeds = tuple(index(each) for each in values)
    except TypeError:
        raise SettingError("seed", f"must be a whole number, or a list of them; got {seed!r}") from None
    if len(seeds) != count:
        problem = f"must be one number, or a list of as many as {{}}, {count}; got {len(seeds)}"
        raise SettingError("seed", problem, count_name)
    for each in seeds:
        if not 0 <= each < SEED_LIMIT:
            bounds = {"minimum": 0, "exclusiveMaximum": SEED_LIMIT}
            raise SettingError("seed", f"must be at least 0 and below 2**63; got {each}", values=bounds)
    return seeds


def check_seeds(seed: int | Sequence[int] | None, count: int, *, count_name: str) -> None:
    """Check seeds as `seeds_of_prompts` takes them, before the number of prompts is known.

    Raises:
        SettingError: as in `expand_seeds`.
    """
    if isinstance(seed, Sequence) and len(seed) > count and len(seed) % count == 0:
        count = len(seed)
    expand_seeds(seed, count, count_name=count_name)


def seeds_of_prompts(
    seed: int | Sequence[int] | None, prompts: int, count: int, *, count_name: str
) -> list[tuple[int, ...]]:
    """Return the seeds of the images or waveforms of each prompt.

    Args:
        seed: as in `expand_seeds`, for each prompt; or a list of the seeds of all prompts, in order.
        prompts: number of prompts.
        count: number of images or waveforms of each prompt.
        count_name: name of the setting that is the number.

    Raises:
        SettingError: as in `expand_seeds`.
    """
    if not isinstance(seed, Sequence) or len(seed) == count or prompts == 1:
        return [expand_seeds(seed, count, count_name=count_name) for _ in range(prompts)]
    if len(seed) != prompts * count:
        problem = f"must be one number, or a list of as many as {{}}, {count}, or of {prompts * count} for all prompts"
        raise SettingError("seed", f"{problem}; got {len(seed)}", count_name)
    seeds = expand_seeds(seed, len(seed), count_name=count_name)
    return [seeds[start : start + count] for start in range(0, len(seeds), count)]
