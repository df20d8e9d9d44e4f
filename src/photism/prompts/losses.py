"""Alignment losses between the prompt of a recording and the prompt of its caption, position by position.

The contrastive loss compares directions only: the tokens of a recording should point to its own caption rather than to
another. Cross-attention also depends on the norms of the tokens, which the regression loss adds.
"""

import math

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from photism.errors import InputError
from photism.prompts.pairing import check_embeds, check_targets
from photism.prompts.positionwise_loss import sum_over_positions

PUBLISHED_TEMPERATURE = 0.15


def sequence_contrastive_loss(
    audio_embeds: Tensor,
    text_embeds: Tensor,
    *,
    temperature: float | Tensor = PUBLISHED_TEMPERATURE,
    targets: Tensor | None = None,
    caption_ids: Tensor | None = None,
    symmetric: bool = False,
    position_weights: Tensor | None = None,
) -> Tensor:
    """Compute the contrastive (InfoNCE) loss between recordings and captions at each position, and average it.

    For recording i, caption j and position s, with t(i) the caption of i,

        logits[s, i, j] = cos(audio[i, s], text[j, s]) / temperature
        loss = mean over s and i of  -log softmax_j(logits[s, i])[t(i)]

    Broadcasting audio against text takes B·M·S·D numbers of memory. The cosines of one position are a matrix product of
    unit vectors, B·M numbers, and its gradient is computed right away, so that a few positions are in memory at a time.

    The captions are either those of the batch, M = B and t(i) = i, or with `targets` a bank of all captions of the data
    set, so that each recording is contrasted with every caption, however small the batch.

    Args:
        audio_embeds: (B, S, D), any floating dtype; computed in float32 at least, under autocast too.
        text_embeds: (M, S, D).
        temperature: above 0; a tensor without axes, such as a `LearnedTemperature` returns, receives its gradient.
        targets: (B,) integers, the row of text_embeds that is the caption of each recording; None: row i for
            recording i, M = B.
        caption_ids: (B,) integers, equal for equal captions, which are then not negatives of each other. Not allowed
            with targets, because a bank holds each caption once.
        symmetric: average with the loss in the other direction, from captions to recordings. Not allowed with targets.
        position_weights: (S,), or (B, S) where recordings differ; finite, at least 0 and not all 0: weights of the
            positions in the mean; None: equal weights.

    Returns:
        The loss, a float tensor without axes.

    Raises:
        InputError: an argument is not as described, or there are fewer than two captions to contrast.

    Source: audio2img (kardSIM), whose form is symmetric=False within the batch; the symmetric form is CLIP's
    (https://arxiv.org/abs/2103.00020).
    """
    _check_temperature(temperature)
    if targets is None:
        dtype = check_embeds(audio_embeds, text_embeds, paired=True)
    else:
        dtype = check_embeds(audio_embeds, text_embeds, paired=False)
        check_targets(targets, queries=len(audio_embeds), candidates=len(text_embeds))
        if caption_ids is not None or symmetric:
            raise InputError(
                "caption_ids and symmetric cannot be combined with targets; "
                f"got {'caption_ids' if caption_ids is not None else 'symmetric=True'}"
            )
    if len(text_embeds) < 2:
        raise InputError(
            "text_embeds must hold at least 2 captions; got 1: use a larger batch, or a bank of captions with targets"
        )

    recordings = torch.arange(len(audio_embeds), device=audio_embeds.device)
    captions = recordings if targets is None else targets.long()
    duplicates = None if caption_ids is None else _duplicate_captions(caption_ids, len(audio_embeds))

    def _block_loss(audio: Tensor, text: Tensor, weights: Tensor, temperature: Tensor) -> Tensor:
        audio = normalize(audio, dim=-1).transpose(0, 1)  # (B, P, D) -> (P, B, D)
        text = normalize(text, dim=-1).permute(1, 2, 0)  # (M, P, D) -> (P, D, M)
        with torch.autocast(audio.device.type, enabled=False):
            logits = audio @ text / temperature  # (P, B, M)
        if duplicates is not None:
            logits = logits.masked_fill(duplicates, -math.inf)
        loss = -logits.log_softmax(dim=2)[:, recordings, captions]  # (P, B, M) -> (P, B)
        if symmetric:
            loss = (loss - logits.log_softmax(dim=1)[:, recordings, captions]) / 2
        return (loss.T * weights).sum()

    weights = _normalized_weights(position_weights, audio_embeds, dtype)
    temperature = torch.as_tensor(temperature, dtype=weights.dtype, device=weights.device)
    return sum_over_positions(_block_loss, audio_embeds, text_embeds, weights, temperature)


def regression_loss(
    audio_embeds: Tensor,
    text_embeds: Tensor,
    *,
    norm_weight: float = 0.5,
    position_weights: Tensor | None = None,
) -> Tensor:
    """Compute how far the tokens of recordings are from their captions' tokens, in direction and in norm.

    With r = |audio| / |text| and c their cosine, the squared distance relative to the text is

        |audio - text|² / |text|² = (r - 1)² + 2 r (1 - c)

    Its factor r would reward a token of uncertain direction for a small norm. The loss omits this factor,

        loss = mean over B and S of  (1 - c) + norm_weight · (r - 1)²

    and with the default norm_weight equals half the squared relative distance where the norms are equal.

    Args:
        audio_embeds: (B, S, D), any floating dtype; computed in float32 at least.
        text_embeds: (B, S, D), no token of norm 0.
        norm_weight: weight of the norm term, finite and at least 0; 0 compares directions only.
        position_weights: (S,), or (B, S) where recordings differ; finite, at least 0 and not all 0: weights of the
            positions in the mean; None: equal weights.

    Returns:
        The loss, a float tensor without axes.

    Raises:
        InputError: the shapes differ, a weight is out of range, or a text token has norm 0.
    """
    dtype = check_embeds(audio_embeds, text_embeds, paired=True)
    if not 0 <= norm_weight < math.inf:
        raise InputError(f"norm_weight must be finite and at least 0; got {norm_weight}")

    def _block_loss(audio: Tensor, text: Tensor, weights: Tensor, norm_weight: Tensor) -> Tensor:
        text_norm = vector_norm(text, dim=-1)  # (B, P, D) -> (B, P)
        if not bool(text_norm.all()):
            raise InputError("text_embeds must not hold a token of norm 0, which has no direction; got one")
        norm_ratio = vector_norm(audio, dim=-1) / text_norm
        cosine = torch.cosine_similarity(audio, text, dim=-1)
        return (weights * ((1 - cosine) + norm_weight * (norm_ratio - 1).square())).sum()

    weights = _normalized_weights(position_weights, audio_embeds, dtype)
    return sum_over_positions(_block_loss, audio_embeds, text_embeds, weights, weights.new_tensor(norm_weight))


class LearnedTemperature(nn.Module):
    """Trainable temperature of the contrastive loss: `sequence_contrastive_loss(..., temperature=learned())`.

    The parameter is its logarithm, so that an optimizer step changes the temperature by a factor. The lower bound keeps
    batches that are separated already from driving it to 0.

    Args:
        initial: initial value, within the bounds.
        minimum: lower bound, above 0; the default is CLIP's (https://arxiv.org/abs/2103.00020, section 2.5).
        maximum: upper bound, above the lower.

    Raises:
        InputError: the bounds do not satisfy 0 < minimum <= initial <= maximum and minimum < maximum.
    """

    def __init__(self, initial: float = PUBLISHED_TEMPERATURE, *, minimum: float = 0.01, maximum: float = 1.0) -> None:
        super().__init__()
        if not 0 < minimum <= initial <= maximum < math.inf or minimum == maximum:
            raise InputError(
                "initial must be between minimum and maximum, and minimum above 0 and below maximum; "
                f"got initial={initial}, minimum={minimum}, maximum={maximum}"
            )
        self.minimum, self.maximum = minimum, maximum
        self.log_temperature = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> Tensor:
        """Return the temperature, a tensor of shape () within the bounds."""
        # The parameter itself is clamped: a clamp of the result has no gradient outside the bounds, so that a value
        # which one optimizer step moved outside could never return.
        with torch.no_grad():
            self.log_temperature.clamp_(math.log(self.minimum), math.log(self.maximum))
        return self.log_temperature.exp()


def _check_temperature(temperature: float | Tensor) -> None:
    if isinstance(temperature, Tensor) and temperature.ndim:
        raise InputError(f"temperature must be one number; got a tensor of shape {tuple(temperature.shape)}")
    value = temperature.item() if isinstance(temperature, Tensor) else temperature
    if not 0 < value < math.inf:
        raise InputError(
            f"temperature must be finite and above 0; got {value}; the usual value is {PUBLISHED_TEMPERATURE}"
        )


def _duplicate_captions(caption_ids: Tensor, recordings: int) -> Tensor:
    """Return (B, B), true where another recording of the batch has the same caption, from (B,) caption ids."""
    if caption_ids.shape != (recordings,):
        raise InputError(
            f"caption_ids must be one number for each of the {recordings} recordings; "
            f"got shape {tuple(caption_ids.shape)}"
        )
    return (caption_ids[:, None] == caption_ids).fill_diagonal_(False)


def _normalized_weights(position_weights: Tensor | None, audio_embeds: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the weight of each position of each recording in the mean: (B, S), with sum 1."""
    shape = audio_embeds.shape[:2]
    if position_weights is None:
        return audio_embeds.new_full(shape, 1 / shape.numel(), dtype=dtype)
    if position_weights.shape not in (shape, shape[1:]):
        raise InputError(
            f"position_weights must be one number for each of the {shape[1]} positions, or that for each of the "
            f"{shape[0]} recordings; got shape {tuple(position_weights.shape)}"
        )
    if not bool((position_weights >= 0).all()) or not 0 < position_weights.sum() < math.inf:
        raise InputError(
            "position_weights must be finite, at least 0 and not all 0; "
            f"got {position_weights.min():g} to {position_weights.max():g}"
        )
    weights = position_weights.to(audio_embeds.device, dtype).expand(shape)
    return weights / weights.sum()
