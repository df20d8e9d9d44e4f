"""How far the tokens of a sound are from the tokens of its caption.

The contrastive loss asks that a sound's token points to its own caption rather than to another. It sees directions
only; the cross-attention of a diffusion model sees lengths too, which the regression adds.
"""

import math

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from photism.errors import InputError
from photism.prompts.pairing import check_pairs, check_targets, check_tokens
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
    """Tell the caption of each sound from the others, by each token for itself.

    For sound i, caption j and position s, with t(i) the caption of i,

        logits[s, i, j] = cos(audio[i, s], text[j, s]) / temperature
        loss = mean over s and i of  -log softmax_j(logits[s, i])[t(i)]

    Broadcasting audio against text holds B·M·S·D numbers. The cosine of unit vectors is a matrix product, one for each
    position, and holds B·M; the gradient is taken with it, so that no more than a few positions are held at a time.

    The captions are either those of the batch, M = B and t(i) = i, or with `targets` a bank of all captions there are:
    every clip is then told from every caption, however small the batch.

    Args:
        audio_embeds: (B, S, D), any floating dtype; computed in float32 at least, under autocast too.
        text_embeds: (M, S, D).
        temperature: above 0; a tensor without axes, such as a `LearnedTemperature` returns, receives its gradient.
        targets: (B,) integers, the row of text_embeds that is right for each sound; None: row i for sound i, M = B.
        caption_ids: (B,) integers, equal for equal captions, which are then not held against each other. Not with
            targets: a bank has each caption once.
        symmetric: average with the loss of telling the sound of each caption. Not with targets.
        position_weights: (S,), or (B, S) where sounds differ in it; finite, not below 0, not all 0: what each position
            counts; None: all the same.

    Returns:
        The loss, a float tensor without axes.

    Raises:
        InputError: anything else than the above, or fewer than two captions, which leaves nothing to learn.

    Source: audio2img (kardSIM), whose form is symmetric=False within the batch; the symmetric form is CLIP's
    (https://arxiv.org/abs/2103.00020).
    """
    _check_temperature(temperature)
    if targets is None:
        dtype = check_pairs(audio_embeds, text_embeds)
    else:
        dtype = check_tokens(audio_embeds, text_embeds)
        check_targets(targets, queries=len(audio_embeds), candidates=len(text_embeds))
        if caption_ids is not None or symmetric:
            raise InputError(
                "caption_ids and symmetric must be left out where targets are given; "
                f"got {'caption_ids' if caption_ids is not None else 'symmetric=True'}"
            )
    if len(text_embeds) < 2:
        raise InputError("text_embeds must hold at least 2 captions; got 1: take a larger batch, or a bank and targets")

    sounds = torch.arange(len(audio_embeds), device=audio_embeds.device)
    captions = sounds if targets is None else targets.long()
    elsewhere = None if caption_ids is None else _same_caption_elsewhere(caption_ids, len(audio_embeds))

    def part(audio: Tensor, text: Tensor, weights: Tensor, temperature: Tensor) -> Tensor:
        audio = normalize(audio, dim=-1).transpose(0, 1)  # (B, P, D) -> (P, B, D)
        text = normalize(text, dim=-1).permute(1, 2, 0)  # (M, P, D) -> (P, D, M)
        with torch.autocast(audio.device.type, enabled=False):
            logits = audio @ text / temperature  # (P, B, M)
        if elsewhere is not None:
            logits = logits.masked_fill(elsewhere, -math.inf)
        loss = -logits.log_softmax(dim=2)[:, sounds, captions]  # (P, B, M) -> (P, B)
        if symmetric:
            loss = (loss - logits.log_softmax(dim=1)[:, sounds, captions]) / 2
        return (loss.T * weights).sum()

    weights = _shares(position_weights, audio_embeds, dtype)
    temperature = torch.as_tensor(temperature, dtype=weights.dtype, device=weights.device)
    return sum_over_positions(part, audio_embeds, text_embeds, weights, temperature)


def regression_loss(
    audio_embeds: Tensor,
    text_embeds: Tensor,
    *,
    norm_weight: float = 0.5,
    position_weights: Tensor | None = None,
) -> Tensor:
    """Bring each token to its caption's in direction and in length.

    With r = |audio| / |text| and c their cosine, the squared distance relative to the text is

        |audio - text|² / |text|² = (r - 1)² + 2 r (1 - c)

    Its factor r would reward a token of uncertain direction for being short. The loss leaves it out,

        loss = mean over B and S of  (1 - c) + norm_weight · (r - 1)²

    and at the default norm_weight equals half the squared relative distance where the length is right.

    Args:
        audio_embeds: (B, S, D), any floating dtype; computed in float32 at least.
        text_embeds: (B, S, D), no token of length 0.
        norm_weight: finite, not below 0; 0 leaves only the direction.
        position_weights: (S,), or (B, S) where sounds differ in it; finite, not below 0, not all 0: what each position
            counts; None: all the same.

    Returns:
        The loss, a float tensor without axes.

    Raises:
        InputError: shapes that differ, a weight that is not as above, or a text token of length 0.
    """
    dtype = check_pairs(audio_embeds, text_embeds)
    if not 0 <= norm_weight < math.inf:
        raise InputError(f"norm_weight must be finite and not below 0; got {norm_weight}")

    def part(audio: Tensor, text: Tensor, weights: Tensor, norm_weight: Tensor) -> Tensor:
        text_norm = vector_norm(text, dim=-1)  # (B, P, D) -> (B, P)
        if not bool(text_norm.all()):
            raise InputError("text_embeds must hold no token of length 0; got one, which has no direction to learn")
        length_ratio = vector_norm(audio, dim=-1) / text_norm
        cosine = torch.cosine_similarity(audio, text, dim=-1)
        return (weights * ((1 - cosine) + norm_weight * (length_ratio - 1).square())).sum()

    weights = _shares(position_weights, audio_embeds, dtype)
    return sum_over_positions(part, audio_embeds, text_embeds, weights, weights.new_tensor(norm_weight))


class LearnedTemperature(nn.Module):
    """A temperature that is trained with the encoder: `sequence_contrastive_loss(..., temperature=learned())`.

    Its logarithm is the parameter, so that a step changes it by a factor. The range keeps a batch that is already told
    apart from driving it to 0.

    Args:
        initial: where it starts, within the range.
        minimum: above 0; the default is CLIP's bound (https://arxiv.org/abs/2103.00020, section 2.5).
        maximum: above minimum.

    Raises:
        InputError: not 0 < minimum <= initial <= maximum, or no room between the bounds.
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
        """The temperature within its range, a tensor without axes."""
        # The parameter itself is brought back: a clamp of the result alone has no gradient outside the range, so what
        # a step once threw out would stay there.
        with torch.no_grad():
            self.log_temperature.clamp_(math.log(self.minimum), math.log(self.maximum))
        return self.log_temperature.exp()


def _check_temperature(temperature: float | Tensor) -> None:
    if isinstance(temperature, Tensor) and temperature.ndim:
        raise InputError(f"temperature must be one number; got a tensor of shape {tuple(temperature.shape)}")
    value = temperature.item() if isinstance(temperature, Tensor) else temperature
    if not 0 < value < math.inf:
        raise InputError(f"temperature must be finite and above 0; got {value}: {PUBLISHED_TEMPERATURE} is usual")


def _same_caption_elsewhere(caption_ids: Tensor, sounds: int) -> Tensor:
    """(B,) -> (B, B): true where another sound of the batch has the same caption."""
    if caption_ids.shape != (sounds,):
        raise InputError(
            f"caption_ids must be one number for each of the {sounds} sounds; got shape {tuple(caption_ids.shape)}"
        )
    return (caption_ids[:, None] == caption_ids).fill_diagonal_(False)


def _shares(position_weights: Tensor | None, audio_embeds: Tensor, dtype: torch.dtype) -> Tensor:
    """What each position of each sound counts in the mean: (B, S), of sum 1."""
    shape = audio_embeds.shape[:2]
    if position_weights is None:
        return audio_embeds.new_full(shape, 1 / shape.numel(), dtype=dtype)
    if position_weights.shape not in (shape, shape[1:]):
        raise InputError(
            f"position_weights must be one number for each of the {shape[1]} positions, or that for each of the "
            f"{shape[0]} sounds; got shape {tuple(position_weights.shape)}"
        )
    if not bool((position_weights >= 0).all()) or not 0 < position_weights.sum() < math.inf:
        raise InputError(
            "position_weights must be finite, not below 0 and not all 0; "
            f"got {position_weights.min():g} to {position_weights.max():g}"
        )
    weights = position_weights.to(audio_embeds.device, dtype).expand(shape)
    return weights / weights.sum()
