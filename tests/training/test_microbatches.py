from types import SimpleNamespace

import torch

from photism.training.data.sampler import Crop, seed_of
from photism.training.distributed import DistributedContext
from photism.training.microbatches import MicroBatches, padded_tokens, split_crops


def test_micro_batches_hold_at_most_max_tokens():
    crops = [Crop(0, 0, tokens, 0) for tokens in (40, 33, 20, 20, 19, 5, 4)]
    runs = [[crop.tokens for crop in run] for run in split_crops(crops, 66)]
    assert runs == [[40], [33, 20], [20, 19, 5, 4]]
    assert [[crop.tokens for crop in run] for run in split_crops(crops, 1)] == [[p.tokens] for p in crops]
    assert len(list(split_crops(crops, 10_000))) == 1


def test_padding_at_most_doubles_a_micro_batch():
    crops = [Crop(0, 0, tokens, 0) for tokens in (40, *[2] * 9)]
    assert [len(run) for run in split_crops(crops, 60)] == [3, 7]
    assert [len(run) for run in split_crops(crops, 59)] == [2, 8]
    assert [len(run) for run in split_crops(crops[1:], 18, min_tokens=9)] == [4, 4, 1]
    assert padded_tokens(crops) == 200
    assert len(list(split_crops(crops, 200))) == 1
    assert len(list(split_crops(crops, 199))) == 2


def test_local_slices_are_balanced_and_gathered_in_order():
    crops = list(range(12))
    contexts = [
        DistributedContext(
            SimpleNamespace(num_processes=3, process_index=index, is_main_process=not index, device=torch.device("cpu"))
        )
        for index in range(3)
    ]
    assert contexts[1].local_slice(crops) == [1, 4, 7, 10]
    assert contexts[1].local_slice(crops, 0) == [0, 3, 6, 9]
    assert contexts[0].gather_order(crops) == [item for each in contexts for item in each.local_slice(crops)]


def test_seeds_depend_on_seed_step_rank_and_number():
    distributed = SimpleNamespace(rank=2)
    seeds = MicroBatches(9, min_tokens=1, distributed=distributed).seeds(7, 5, 3)
    assert seeds == [seed_of(7, 5, 2, number) for number in range(3)]
    assert all(0 <= seed < 2**63 for seed in seeds)
