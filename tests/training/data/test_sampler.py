from types import SimpleNamespace

import numpy as np
import pytest

from photism.errors import InputError
from photism.training.data.sampler import EpochSampler, generator_of, seed_of

TOKENS = [5, 40, 12, 33, 8, 21, 60, 17, 29, 50, 3]


def make(batch_size=4, max_tokens=30, seed=0, targets=None, random_crop=True):
    clips = [SimpleNamespace(tokens=tokens) for tokens in TOKENS]
    dataset = SimpleNamespace(clips=clips, split=lambda name: list(range(1, len(TOKENS))))  # the first one is not
    targets = targets or [[clip] for clip in range(len(TOKENS))]
    return EpochSampler(
        dataset, targets, batch_size=batch_size, max_tokens=max_tokens, seed=seed, random_crop=random_crop
    )


def test_each_epoch_has_all_clips_in_another_order():
    sampler = make()
    assert sampler.steps_per_epoch == 2
    for epoch in range(3):
        clips = [crop.clip for step in (0, 1) for crop in sampler.batch(2 * epoch + step)]
        assert len(set(clips)) == len(clips) == 8
        assert 0 not in clips
    assert {crop.clip for crop in sampler.batch(0)} != {crop.clip for crop in sampler.batch(2)}


def test_a_batch_depends_on_seed_and_step_only():
    sampler = make()
    assert sampler.batch(3) == make().batch(3)
    assert sampler.batch(3) != make(seed=1).batch(3)


def test_crops_are_sorted_by_length_and_within_their_clip():
    sampler = make(batch_size=10)
    starts = set()
    for step in range(100):
        crops = sampler.batch(step)
        lengths = [crop.tokens for crop in crops]
        assert lengths == sorted(lengths, reverse=True)
        for crop in crops:
            assert crop.tokens == min(TOKENS[crop.clip], 30)
            assert 0 <= crop.start <= TOKENS[crop.clip] - crop.tokens
            if crop.clip == 6:
                starts.add(crop.start)
    assert min(starts) < 5
    assert max(starts) > 25


def test_each_of_several_targets_is_drawn():
    sampler = make(batch_size=10, targets=[[100 + clip, 200 + clip] for clip in range(len(TOKENS))])
    drawn = {crop.target for step in range(20) for crop in sampler.batch(step)}
    assert drawn == {base + clip for base in (100, 200) for clip in range(1, 11)}


def test_the_beginning_of_a_long_clip():
    sampler = make(random_crop=False)
    crops = [crop for step in range(4) for crop in sampler.batch(step)]
    assert {(crop.start, crop.tokens) for crop in crops if TOKENS[crop.clip] > 30} == {(0, 30)}


def test_a_batch_needs_as_many_clips():
    sampler = make(batch_size=10)
    sampler.check_batch_size()
    assert len(sampler.batch(0)) == 10
    with pytest.raises(InputError, match=r"batch_size must be at most the 10 training clips; got 11"):
        make(batch_size=11).check_batch_size()


def test_seeds_are_fixed_numbers():
    # Neither Python's hash nor a version of a library may change them: a resumed training would continue differently.
    assert seed_of(0, 0, 0, 0) == 1000010000034000040
    assert seed_of(3, 141, 5, 9) == seed_of(3, 141, 5, 9) != seed_of(3, 141, 9, 5)
    assert len({seed_of(*numbers) for numbers in np.ndindex(4, 30, 3, 20)}) == 4 * 30 * 3 * 20
    assert generator_of(1, 2).initial_seed() == seed_of(1, 2)


def test_the_longest_batch_and_the_mean_length():
    sampler = make(batch_size=3)
    assert [(crop.clip, crop.start, crop.tokens) for crop in sampler.longest_batch()] == [
        (1, 0, 30),
        (3, 0, 30),
        (6, 0, 30),
    ]
    assert sampler.mean_tokens() == sum(min(tokens, 30) for tokens in TOKENS[1:]) / 10
