"""One seed stands for itself and the next ones."""

import numpy as np
import pytest

from photism.seeds import RANDOM_SEED_LIMIT, SEED_LIMIT, check_seeds, expand_seeds, seeds_of_prompts
from photism.settings import SettingError


@pytest.mark.parametrize("seed", [7, np.int64(7), [7, 8], (7, 8), np.array([7, 8])])
def test_a_number_is_incremented_and_a_list_is_kept(seed):
    seeds = expand_seeds(seed, 2)
    assert seeds == (7, 8)
    assert {type(each) for each in seeds} == {int}


def test_random_seeds_are_short_and_differ():
    seeds = expand_seeds(None, 20)
    assert len(set(seeds)) > 1
    assert all(0 <= each < RANDOM_SEED_LIMIT for each in seeds)


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ([1], "seed must be one number, or a list of as many as images, 2; got 1"),
        (-1, r"seed must be at least 0 and below 2\*\*63; got -1"),
        (SEED_LIMIT - 1, r"seed must be at least 0 and below 2\*\*63; got 9223372036854775808"),
        (1.5, "seed must be a whole number, or a list of them; got 1.5"),
        ("12", "seed must be a whole number, or a list of them; got '12'"),
        ([1, 2.5], r"seed must be a whole number, or a list of them; got \[1, 2.5\]"),
    ],
)
def test_a_seed_that_cannot_be_used(seed, message):
    with pytest.raises(SettingError, match=f"^{message}$"):
        expand_seeds(seed, 2, count_name="images")


@pytest.mark.parametrize("seed", [7, [7, 8]])
def test_prompts_have_the_same_seeds(seed):
    assert seeds_of_prompts(seed, 3, 2, count_name="images") == [(7, 8)] * 3
    check_seeds(seed, 2, count_name="images")


def test_random_seeds_differ_from_prompt_to_prompt():
    assert len({seed for row in seeds_of_prompts(None, 3, 2, count_name="images") for seed in row}) > 3


def test_a_list_holds_the_seeds_of_all_prompts():
    seeds = [1, 2, 9, 8, 5, 5]
    assert seeds_of_prompts(seeds, 3, 2, count_name="images") == [(1, 2), (9, 8), (5, 5)]
    check_seeds(seeds, 2, count_name="images")
    with pytest.raises(SettingError, match="a list of as many as images, 2, or of 4 for all prompts; got 6"):
        seeds_of_prompts(seeds, 2, 2, count_name="images")
    with pytest.raises(SettingError, match="a list of as many as images, 4; got 6"):
        check_seeds(seeds, 4, count_name="images")
