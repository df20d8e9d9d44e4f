"""Seeds of the images of a recording."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from photism.settings import SettingError

SEED_LIMIT = 2**63
RANDOM_SEED_LIMIT = 2**32  # short enough to be typed again


def image_seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """Return the seed of each image of a recording.

    Args:
        seed: seed of the first image, incremented for each further one; a seed for each image; or None for random
            seeds.
        count: number of images.

    Raises:
        SettingError: the number of seeds is not that of the images, or a seed is out of range.
    """
    if seed is None:
        return [secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(count)]
    seeds = list(range(seed, seed + count)) if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        problem = f"must be one number, or one for each of the {count} images ({{}}); got {len(seeds)}"
        raise SettingError("seed", problem, "images_per_sound")
    for each in seeds:
        if not 0 <= each < SEED_LIMIT:
            raise SettingError("seed", f"must be from 0 to 2**63 - 1; got {each}")
    return seeds
