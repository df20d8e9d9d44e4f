"""Retrieval metrics and distances: hand-worked cases, ties, dtypes and invalid arguments."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from photism.errors import InputError
from photism.prompts.metrics import (
    CrossModalRetrieval,
    RetrievalMetrics,
    cosine_similarity,
    cross_modal_retrieval,
    euclidean_distance,
    mean_average_precision,
    mean_squared_error,
    retrieval,
    sequence_similarity,
)

# Caption 0 is relevant to recordings 0 and 1, caption 1 to recording 2; caption 2 has no recording.
SIMILARITY = torch.tensor(
    [
        [0.9, 0.1, 0.2],  # rank 1
        [0.3, 0.8, 0.1],  # rank 2: caption 1 is more similar
        [0.7, 0.4, 0.5],  # rank 3: both others are more similar
    ]
)
TARGETS = torch.tensor([0, 0, 1])


def test_retrieval_by_hand() -> None:
    assert retrieval(SIMILARITY, TARGETS) == RetrievalMetrics(
        recall_at_1=pytest.approx(1 / 3), recall_at_5=1.0, recall_at_10=1.0, median_rank=2.0
    )


def test_cross_modal_retrieval_by_hand() -> None:
    # Caption 0 ranks recording 0 first. Caption 1 ranks recording 1 above its own, 2. Caption 2 is not a query.
    assert cross_modal_retrieval(SIMILARITY, TARGETS) == CrossModalRetrieval(
        audio_to_text=retrieval(SIMILARITY, TARGETS),
        text_to_audio=RetrievalMetrics(recall_at_1=0.5, recall_at_5=1.0, recall_at_10=1.0, median_rank=1.5),
    )


@pytest.mark.parametrize(("rank", "found_in"), [(1, 3), (2, 2), (5, 2), (6, 1), (10, 1), (11, 0)])
def test_recall_counts_up_to_its_bound(rank: int, found_in: int) -> None:
    falling = torch.arange(12, 0, -1.0)[None]  # the candidate at column r - 1 has rank r
    found = retrieval(falling, torch.tensor([rank - 1]))
    assert found.recall_at_1 + found.recall_at_5 + found.recall_at_10 == found_in
    assert found.median_rank == rank


def test_a_tie_counts_against_the_query() -> None:
    constant = torch.zeros(4, 12)
    found = retrieval(constant, torch.tensor([0, 3, 7, 11]))
    assert found == RetrievalMetrics(recall_at_1=0.0, recall_at_5=0.0, recall_at_10=0.0, median_rank=12.0)


def test_the_best_of_several_relevant_candidates_counts() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.8]])
    # Row 0: columns 1 and 2 are relevant, and one irrelevant candidate is more similar than both. Row 1: columns 1 and
    # 3 are relevant and tie with each other, which does not lower the rank.
    relevance = torch.tensor([[False, True, True, False], [False, True, False, True]])
    assert retrieval(similarity, relevance).median_rank == 2.0
    assert retrieval(similarity[:, 1:], relevance[:, 1:]).recall_at_1 == 1.0


def test_mean_average_precision_by_hand() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
    relevant = torch.tensor([[True, False, True, False], [False, True, False, False]])
    # The relevant ones are first and third: (1/1 + 2/3) / 2; and third: 1/3.
    assert mean_average_precision(similarity, relevant) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)


def test_a_tie_counts_against_the_average_precision() -> None:
    for relevant in ([True, False], [False, True]):
        assert mean_average_precision(torch.zeros(1, 2), torch.tensor([relevant])) == pytest.approx(1 / 2)
    with pytest.raises(InputError, match="row 0 has none"):
        mean_average_precision(torch.zeros(1, 2), torch.tensor([[False, False]]))


def test_indices_and_a_relevance_mask_give_the_same_metrics() -> None:
    similarity = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(20) % 7
    relevance = torch.nn.functional.one_hot(targets, 30).bool()
    assert cross_modal_retrieval(similarity, targets) == cross_modal_retrieval(similarity, relevance)


def test_a_candidate_of_similarity_minus_infinity_never_ranks_above_another() -> None:
    similarity = torch.tensor([[-torch.inf, 0.1], [-torch.inf, 0.1]])
    assert retrieval(similarity, torch.tensor([1, 0])).median_rank == 1.5


@pytest.mark.parametrize(
    ("similarity", "targets", "message"),
    [
        (torch.zeros(3), TARGETS, r"similarity must be \(queries, candidates\), neither of them 0; got \(3,\)"),
        (torch.zeros(0, 3), TARGETS[:0], r"neither of them 0; got \(0, 3\)"),
        (SIMILARITY / 0 * 0, TARGETS, "similarity must not hold NaN"),
        (SIMILARITY, torch.tensor([0, 0, 3]), "targets must be from 0 to 2, the last candidate; got 0 to 3"),
        (SIMILARITY, torch.tensor([0, 0, -1]), "targets must be from 0 to 2, the last candidate; got -1 to 0"),
        (SIMILARITY, TARGETS[:2], r"targets must be one integer for each of the 3 rows; got torch.int64 of shape \(2,"),
        (SIMILARITY, torch.eye(3), r"targets must be .* got torch.float32 of shape \(3, 3\)"),
        (SIMILARITY, torch.eye(3).bool() & (TARGETS == 0), "row 2 has none: remove it"),
    ],
)
def test_invalid_similarities_and_targets_are_refused(similarity: Tensor, targets: Tensor, message: str) -> None:
    for ranked in (retrieval, cross_modal_retrieval):
        with pytest.raises(InputError, match=message):
            ranked(similarity, targets)


def test_similarity_of_sequences_by_hand() -> None:
    # Two positions. Recording 0 has the direction of caption 0 at both, and is opposite and orthogonal to caption 1.
    audio = torch.tensor([[[2.0, 0.0], [0.0, 3.0]]])
    text = torch.tensor([[[5.0, 0.0], [0.0, 0.1]], [[-1.0, 0.0], [4.0, 0.0]]])
    torch.testing.assert_close(sequence_similarity(audio, text), torch.tensor([[1.0, -0.5]]))


def test_similarity_equals_its_broadcast_form() -> None:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(4, 3, 5, dtype=torch.float64, generator=generator)
    text = torch.randn(6, 3, 5, dtype=torch.float64, generator=generator)
    broadcast = torch.cosine_similarity(audio[:, None], text[None], dim=-1).mean(dim=-1)  # (N, M, S) -> (N, M)
    torch.testing.assert_close(sequence_similarity(audio, text), broadcast, rtol=0, atol=1e-10)


def test_half_precision_is_compared_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(4, 3, 5, generator=generator).bfloat16()
    text = torch.randn(6, 3, 5, generator=generator).bfloat16()
    expected = sequence_similarity(audio.float(), text.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(sequence_similarity(audio, text), expected)


def test_distances_by_hand() -> None:
    # Tokens: equal; orthogonal; opposite and twice the norm; the same direction and a fifth of the norm.
    text = torch.tensor([[[3.0, 4.0], [3.0, 4.0]], [[3.0, 4.0], [3.0, 4.0]]])
    audio = torch.tensor([[[3.0, 4.0], [-4.0, 3.0]], [[-6.0, -8.0], [0.6, 0.8]]])
    assert cosine_similarity(audio, text) == pytest.approx((1 + 0 - 1 + 1) / 4, abs=1e-6)
    # Squared distances 0, 7² + 1², 9² + 12², 2.4² + 3.2², over two numbers per token.
    assert mean_squared_error(audio, text) == pytest.approx((0 + 50 + 225 + 16) / 8)
    assert euclidean_distance(audio, text) == pytest.approx((0 + 50**0.5 + 15 + 4) / 4)


@pytest.mark.parametrize("metric", [cosine_similarity, mean_squared_error, euclidean_distance])
def test_distances_need_pairs_of_equal_shape(metric: Callable[[Tensor, Tensor], float]) -> None:
    with pytest.raises(InputError, match="one row per pair; got 1 and 2 rows"):
        metric(torch.ones(1, 3, 4), torch.ones(2, 3, 4))
    with pytest.raises(InputError, match="the same number of tokens and the same width"):
        metric(torch.ones(2, 3, 4), torch.ones(2, 3, 5))
