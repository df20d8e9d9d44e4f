"""Retrieval metrics between recordings and captions, and distances between their prompts."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from photism.errors import InputError
from photism.prompts.pairing import cast_embeds, check_targets


@dataclass(frozen=True)
class RetrievalMetrics:
    """Recall and median rank of retrieval in one direction."""

    recall_at_1: float
    """Fraction of queries, 0 to 1, with a relevant candidate at rank 1."""
    recall_at_5: float
    """Fraction of queries, 0 to 1, with a relevant candidate among the first five."""
    recall_at_10: float
    """Fraction of queries, 0 to 1, with a relevant candidate among the first ten."""
    median_rank: float
    """Median over the queries of the rank of the best relevant candidate; 1 is the best rank."""


@dataclass(frozen=True)
class CrossModalRetrieval:
    """Retrieval metrics in both directions, from one similarity matrix.

    Attributes:
        audio_to_text: captions are ranked for each recording.
        text_to_audio: recordings are ranked for each caption.
    """

    audio_to_text: RetrievalMetrics
    text_to_audio: RetrievalMetrics


def retrieval(similarity: Tensor, targets: Tensor) -> RetrievalMetrics:
    """Rank the candidates of each query by similarity and compute recall and median rank.

    The rank of a query is 1 + the number of irrelevant candidates that are at least as similar as its best relevant
    one. A tie counts against the query, so that an encoder with a constant output has recall 0. Only the best relevant
    candidate counts.

    Args:
        similarity: (N, M), one row per query, one column per candidate; higher is more similar.
        targets: (N,) integers, the relevant candidate of each query; or (N, M) bool, true for each relevant candidate.

    Raises:
        InputError: the shapes do not match, an index is out of range, a query has no relevant candidate, or a
            similarity is NaN.
    """
    return _ranked(similarity, _relevance(similarity, targets))


def mean_average_precision(similarity: Tensor, targets: Tensor) -> float:
    """Compute the mean over the queries of the average precision, 0 to 1.

    The average precision of a query is the mean over its relevant candidates of the fraction of relevant ones among the
    candidates that are at least as similar. Of candidates that are equally similar, the irrelevant ones come first.

    Args:
        similarity: as in `retrieval`.
        targets: as in `retrieval`.

    Raises:
        InputError: as in `retrieval`.
    """
    relevance = _relevance(similarity, targets)
    _check_relevant(relevance)
    first = relevance.int().argsort(dim=1, stable=True)  # the irrelevant ones first
    order = first.gather(1, similarity.gather(1, first).argsort(dim=1, descending=True, stable=True))
    is_relevant = relevance.gather(1, order).double()  # (N, M), by falling similarity
    precision = is_relevant.cumsum(1) / torch.arange(1, order.shape[1] + 1, device=order.device)
    return ((precision * is_relevant).sum(1) / is_relevant.sum(1)).mean().item()


def cross_modal_retrieval(similarity: Tensor, targets: Tensor) -> CrossModalRetrieval:
    """Compute retrieval metrics from recordings to captions and from captions to recordings.

    A caption without a recording is an irrelevant candidate of every recording, and is not a query.

    Args:
        similarity: (N, M) of N recordings and M captions, from `sequence_similarity`.
        targets: (N,) integers, the caption of each recording; or (N, M) bool, true for each matching pair.

    Raises:
        InputError: an argument is invalid, see `retrieval`.
    """
    relevance = _relevance(similarity, targets)
    has_recording = relevance.any(dim=0)  # (M,)
    return CrossModalRetrieval(
        audio_to_text=_ranked(similarity, relevance),
        text_to_audio=_ranked(similarity.T[has_recording], relevance.T[has_recording]),
    )


def sequence_similarity(audio_embeds: Tensor, text_embeds: Tensor) -> Tensor:
    """Compute the cosine similarity of each recording with each caption, averaged over the positions.

    The sum over positions of the dot products of unit vectors is one dot product of the flattened sequences, so that no
    intermediate result is larger than the inputs and the output.

    Args:
        audio_embeds: (N, S, D), any floating dtype; computed in float32 at least, under autocast too.
        text_embeds: (M, S, D).

    Returns:
        (N, M), from -1 to 1.

    Raises:
        InputError: a shape has not three axes or is empty, or S or D differ.
    """
    audio_embeds, text_embeds = cast_embeds(audio_embeds, text_embeds, paired=False)
    audio = normalize(audio_embeds, dim=-1).flatten(1)  # (N, S, D) -> (N, S·D)
    text = normalize(text_embeds, dim=-1).flatten(1)  # (M, S, D) -> (M, S·D)
    with torch.autocast(audio.device.type, enabled=False):
        return audio @ text.T / audio_embeds.shape[1]


def cosine_similarity(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """Compute the cosine similarity of each token with its caption's token, averaged over recordings and positions.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i is the caption of recording i.

    Returns:
        A value from -1 to 1; 1 where all directions agree.

    Raises:
        InputError: the shapes differ.
    """
    audio_embeds, text_embeds = cast_embeds(audio_embeds, text_embeds, paired=True)
    return torch.cosine_similarity(audio_embeds, text_embeds, dim=-1).mean().item()  # (B, S, D) -> (B, S) -> ()


def mean_squared_error(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """Compute the squared difference to the captions' tokens, averaged over recordings, positions and width.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i is the caption of recording i.

    Returns:
        A value of at least 0; 0 where they are equal.

    Raises:
        InputError: the shapes differ.
    """
    audio_embeds, text_embeds = cast_embeds(audio_embeds, text_embeds, paired=True)
    return (audio_embeds - text_embeds).square().mean().item()


def euclidean_distance(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """Compute the Euclidean distance of each token to its caption's token, averaged over recordings and positions.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i is the caption of recording i.

    Returns:
        A value of at least 0; 0 where they are equal.

    Raises:
        InputError: the shapes differ.
    """
    audio_embeds, text_embeds = cast_embeds(audio_embeds, text_embeds, paired=True)
    return vector_norm(audio_embeds - text_embeds, dim=-1).mean().item()  # (B, S, D) -> (B, S) -> ()


def _relevance(similarity: Tensor, targets: Tensor) -> Tensor:
    """Convert targets of either form to (N, M) bool."""
    if similarity.ndim != 2 or not similarity.numel():
        raise InputError(f"similarity must be (queries, candidates), neither of them 0; got {tuple(similarity.shape)}")
    if bool(similarity.isnan().any()):
        raise InputError("similarity must not hold NaN; check the embeddings for NaN")
    if targets.shape == similarity.shape and targets.dtype == torch.bool:
        return targets
    queries, candidates = similarity.shape
    check_targets(targets, queries=queries, candidates=candidates)
    return torch.arange(candidates, device=targets.device) == targets[:, None]  # (N,) -> (N, M)


def _ranked(similarity: Tensor, relevance: Tensor) -> RetrievalMetrics:
    """Compute the metrics of the rows of a similarity matrix, (N, M), with their relevant candidates, (N, M) bool."""
    _check_relevant(relevance)
    best_relevant = similarity.masked_fill(~relevance, -torch.inf).amax(dim=1, keepdim=True)  # (N, M) -> (N, 1)
    rank = 1 + ((similarity >= best_relevant) & ~relevance).sum(dim=1)  # (N, M) -> (N,)
    recall_at_1, recall_at_5, recall_at_10 = ((rank <= k).double().mean().item() for k in (1, 5, 10))
    return RetrievalMetrics(recall_at_1, recall_at_5, recall_at_10, rank.double().quantile(0.5).item())


def _check_relevant(relevance: Tensor) -> None:
    """Check that each query has a relevant candidate, (N, M) bool."""
    has_relevant = relevance.any(dim=1)  # (N,)
    if not bool(has_relevant.all()):
        row = int(has_relevant.int().argmin())
        raise InputError(f"targets must name a relevant candidate for every query; row {row} has none: remove it")
