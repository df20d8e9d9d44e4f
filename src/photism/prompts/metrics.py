"""How well sounds find their captions, and how near their tokens come."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from photism.errors import InputError
from photism.prompts.pairing import check_targets, matching_tokens, paired_tokens


@dataclass(frozen=True)
class RetrievalMetrics:
    """Where the right answers were found."""

    recall_at_1: float
    """Fraction of the queries, 0 to 1, whose best right answer is ranked first."""
    recall_at_5: float
    """The same among the first five."""
    recall_at_10: float
    """The same among the first ten."""
    median_rank: float
    """Median over the queries of the rank of the best right answer; 1 is first."""


@dataclass(frozen=True)
class BothWays:
    """Retrieval in both directions over one table of similarities."""

    audio_to_text: RetrievalMetrics
    text_to_audio: RetrievalMetrics


def retrieval(similarity: Tensor, targets: Tensor) -> RetrievalMetrics:
    """Rank the candidates of each query by similarity and find the right ones.

    The rank of a query is 1 + the number of wrong candidates at least as similar as its best right one. A tie counts
    against the query, so an encoder that says the same of everything scores nothing; a further right answer ahead of
    or behind the best one does not count.

    Args:
        similarity: (N, M), a row for each query, a column for each candidate; higher is nearer.
        targets: (N,) integers, the right candidate of each query; or (N, M) bool, true for each right candidate.

    Raises:
        InputError: shapes that do not fit, an index outside, a query without a right answer, or NaN.
    """
    return _ranked(similarity, _relevance(similarity, targets))


def retrieval_both_ways(similarity: Tensor, targets: Tensor) -> BothWays:
    """Find the caption of each sound, and a sound of each caption.

    A caption of which there is no sound is a wrong answer to every sound, but is not itself asked for.

    Args:
        similarity: (N, M) of N sounds and M captions, as `sequence_similarity` gives it.
        targets: (N,) integers, the caption of each sound; or (N, M) bool, true for each right pair.

    Raises:
        InputError: as `retrieval`.
    """
    relevance = _relevance(similarity, targets)
    with_sound = relevance.any(dim=0)  # (M,)
    return BothWays(
        audio_to_text=_ranked(similarity, relevance),
        text_to_audio=_ranked(similarity.T[with_sound], relevance.T[with_sound]),
    )


def sequence_similarity(audio_embeds: Tensor, text_embeds: Tensor) -> Tensor:
    """The mean over the positions of the cosine of each sound with each caption.

    The sum over positions of the product of unit vectors is one product of the flattened sequences, so nothing larger
    than its input and its result is held.

    Args:
        audio_embeds: (N, S, D), any floating dtype; computed in float32 at least, under autocast too.
        text_embeds: (M, S, D).

    Returns:
        (N, M), from -1 to 1.

    Raises:
        InputError: not three axes, something empty, or S or D differ.
    """
    audio_embeds, text_embeds = matching_tokens(audio_embeds, text_embeds)
    audio = normalize(audio_embeds, dim=-1).flatten(1)  # (N, S, D) -> (N, S·D)
    text = normalize(text_embeds, dim=-1).flatten(1)  # (M, S, D) -> (M, S·D)
    with torch.autocast(audio.device.type, enabled=False):
        return audio @ text.T / audio_embeds.shape[1]


def cosine_similarity(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """The mean over sounds and positions of the cosine of each token with its caption's.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i the caption of sound i.

    Returns:
        -1 to 1; 1 where every direction is right.

    Raises:
        InputError: shapes that differ.
    """
    audio_embeds, text_embeds = paired_tokens(audio_embeds, text_embeds)
    return torch.cosine_similarity(audio_embeds, text_embeds, dim=-1).mean().item()  # (B, S, D) -> (B, S) -> ()


def mean_squared_error(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """The mean over sounds, positions and width of the squared difference.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i the caption of sound i.

    Returns:
        0 where they are equal.

    Raises:
        InputError: shapes that differ.
    """
    audio_embeds, text_embeds = paired_tokens(audio_embeds, text_embeds)
    return (audio_embeds - text_embeds).square().mean().item()


def euclidean_distance(audio_embeds: Tensor, text_embeds: Tensor) -> float:
    """The mean over sounds and positions of the distance of each token from its caption's.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (B, S, D), row i the caption of sound i.

    Returns:
        0 where they are equal.

    Raises:
        InputError: shapes that differ.
    """
    audio_embeds, text_embeds = paired_tokens(audio_embeds, text_embeds)
    return vector_norm(audio_embeds - text_embeds, dim=-1).mean().item()  # (B, S, D) -> (B, S) -> ()


def _relevance(similarity: Tensor, targets: Tensor) -> Tensor:
    """Either form of targets -> (N, M) bool."""
    if similarity.ndim != 2 or not similarity.numel():
        raise InputError(f"similarity must be (queries, candidates), none of them 0; got {tuple(similarity.shape)}")
    if bool(similarity.isnan().any()):
        raise InputError("similarity must not be NaN, which has no rank; look for NaN in the embeddings")
    if targets.shape == similarity.shape and targets.dtype == torch.bool:
        return targets
    queries, candidates = similarity.shape
    check_targets(targets, queries=queries, candidates=candidates)
    return torch.arange(candidates, device=targets.device) == targets[:, None]  # (N,) -> (N, M)


def _ranked(similarity: Tensor, relevance: Tensor) -> RetrievalMetrics:
    """(N, M) and (N, M): the metrics of the rows."""
    answered = relevance.any(dim=1)  # (N,)
    if not bool(answered.all()):
        row = int(answered.int().argmin())
        raise InputError(f"targets must name a right answer for every query; row {row} has none: leave it out")
    best_right = similarity.masked_fill(~relevance, -torch.inf).amax(dim=1, keepdim=True)  # (N, M) -> (N, 1)
    rank = 1 + ((similarity >= best_right) & ~relevance).sum(dim=1)  # (N, M) -> (N,)
    recall_at_1, recall_at_5, recall_at_10 = ((rank <= k).double().mean().item() for k in (1, 5, 10))
    return RetrievalMetrics(recall_at_1, recall_at_5, recall_at_10, rank.double().quantile(0.5).item())
