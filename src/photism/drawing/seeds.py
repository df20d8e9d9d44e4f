"""The seeds of the pictures of a sound."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from photism.errors import InputError

SEED_LIMIT = 2**63
RANDOM_SEED_LIMIT = 2**32  # short enough to be typed again


def picture_seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """The seed of each picture of a sound.

    Args:
        seed: of the first picture, the next having the next; or a list of all; or None for random ones.
        count: of pictures.

    Raises:
        InputError: another number of seeds than pictures, or one that is out of range.
    """
    if seed is None:
        return [secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(count)]
    seeds = list(range(seed, seed + count)) if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise InputError(f"seed must be one number or images_per_sound={count} of them; got {len(seeds)}")
    for each in seeds:
        if not 0 <= each < SEED_LIMIT:
            raise InputError(f"seed must be from 0 to 2**63 - 1; got {each}")
    return seeds
