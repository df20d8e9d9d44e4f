from types import SimpleNamespace

import pytest
import torch

from photism.errors import InputError
from photism.training.data.sampler import Batches, Piece, chunks_of, distinct_negatives, tokens_to_hold
from photism.training.distributed import Processes

TOKENS = [5, 40, 12, 33, 8, 21, 60, 17, 29, 50, 3]


def make(batch_size=4, longest_tokens=30, seed=0, texts=None):
    clips = [SimpleNamespace(tokens=tokens) for tokens in TOKENS]
    corpus = SimpleNamespace(clips=clips, split=lambda name: list(range(1, len(TOKENS))))  # the first one is not
    texts = texts or [[clip] for clip in range(len(TOKENS))]
    return Batches(corpus, texts, batch_size=batch_size, longest_tokens=longest_tokens, seed=seed)


def test_an_epoch_goes_through_all_sounds_each_in_another_order():
    batches = make()
    assert batches.steps_per_epoch == 2
    for epoch in range(3):
        clips = [piece.clip for step in (0, 1) for piece in batches.batch(2 * epoch + step)]
        assert len(set(clips)) == len(clips) == 8
        assert 0 not in clips
    assert {piece.clip for piece in batches.batch(0)} != {piece.clip for piece in batches.batch(2)}


def test_a_step_is_the_same_whenever_it_is_asked_for():
    batches = make()
    assert batches.batch(3) == make().batch(3)
    assert batches.batch(3) != make(seed=1).batch(3)


def test_pieces_are_in_the_order_of_their_length_and_within_their_sound():
    batches = make(batch_size=10)
    starts = set()
    for step in range(100):
        pieces = batches.batch(step)
        lengths = [piece.tokens for piece in pieces]
        assert lengths == sorted(lengths, reverse=True)
        for piece in pieces:
            assert piece.tokens == min(TOKENS[piece.clip], 30)
            assert 0 <= piece.start <= TOKENS[piece.clip] - piece.tokens
            if piece.clip == 6:
                starts.add(piece.start)
    assert min(starts) < 5
    assert max(starts) > 25


def test_each_of_several_texts_is_drawn():
    batches = make(batch_size=10, texts=[[100 + clip, 200 + clip] for clip in range(len(TOKENS))])
    drawn = {piece.text for step in range(20) for piece in batches.batch(step)}
    assert drawn == {base + clip for base in (100, 200) for clip in range(1, 11)}


def test_negatives_are_counted_without_duplicates():
    assert distinct_negatives(make(batch_size=10), 3) == 9
    assert distinct_negatives(make(batch_size=10, texts=[[clip % 2] for clip in range(11)]), 3) == 1


def test_a_batch_holds_what_there_is():
    assert len(make(batch_size=10).batch(0)) == 10
    with pytest.raises(InputError, match=r"batch_size must be at most the 10 sounds .* got 11"):
        make(batch_size=11)


def test_chunks_hold_what_fits():
    pieces = [Piece(0, 0, tokens, 0) for tokens in (40, 33, 20, 20, 19, 5, 4)]
    chunks = [[piece.tokens for piece in chunk] for chunk in chunks_of(pieces, 66)]
    assert chunks == [[40], [33, 20], [20, 19, 5, 4]]
    assert [[piece.tokens for piece in chunk] for chunk in chunks_of(pieces, 1)] == [[p.tokens] for p in pieces]
    assert len(list(chunks_of(pieces, 10_000))) == 1


def test_a_chunk_is_filled_up_to_twice_its_size_at_most():
    pieces = [Piece(0, 0, tokens, 0) for tokens in (40, *[2] * 9)]
    assert [len(chunk) for chunk in chunks_of(pieces, 60)] == [3, 7]
    assert [len(chunk) for chunk in chunks_of(pieces, 59)] == [2, 8]
    assert [len(chunk) for chunk in chunks_of(pieces[1:], 18, least=9)] == [4, 4, 1]
    assert tokens_to_hold(pieces) == 200
    assert len(list(chunks_of(pieces, 200))) == 1
    assert len(list(chunks_of(pieces, 199))) == 2


def test_shares_of_processes_are_alike_and_dealt_back():
    pieces = list(range(12))
    processes = [
        Processes(
            SimpleNamespace(num_processes=3, process_index=index, is_main_process=not index, device=torch.device("cpu"))
        )
        for index in range(3)
    ]
    assert processes[1].share(pieces) == [1, 4, 7, 10]
    assert processes[1].share(pieces, 0) == [0, 3, 6, 9]
    assert processes[0].dealt(pieces) == [item for each in processes for item in each.share(pieces)]
