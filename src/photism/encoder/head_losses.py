"""Losses of the heads: CTC, classes or numbers of a recording, classes or speakers of each frame."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from transformers import PreTrainedConfig

from photism.errors import InputError

IGNORED_LABEL = -100
MULTI_LABEL, SINGLE_LABEL = "multi_label_classification", "single_label_classification"


def ctc_loss(logits: Tensor, labels: Tensor, lengths: Tensor, config: PreTrainedConfig) -> Tensor:
    """Compute the CTC loss of transcripts, by the configuration's `ctc_loss_reduction`.

    Args:
        logits: logits of `ctc_losses`.
        labels: labels of `ctc_losses`.
        lengths: lengths of `ctc_losses`.
        config: configuration of `ctc_losses`. The reduction is "sum", "none" for the loss of each transcript, (B,), or
            "mean" of these losses, each divided by the length of its transcript.

    Raises:
        InputError: the reduction is another.
    """
    losses, counts = ctc_losses(logits, labels, lengths, config)
    if config.ctc_loss_reduction == "sum":
        return losses.sum()
    if config.ctc_loss_reduction == "none":
        return losses
    if config.ctc_loss_reduction != "mean":
        raise InputError(f'ctc_loss_reduction must be "sum", "mean" or "none"; got {config.ctc_loss_reduction!r}')
    return (losses / counts.clamp(min=1)).mean()


def ctc_losses(logits: Tensor, labels: Tensor, lengths: Tensor, config: PreTrainedConfig) -> tuple[Tensor, Tensor]:
    """Compute the CTC loss and the length of each transcript, both (B,).

    Args:
        logits: (B, F, vocab_size).
        labels: int64 (B, characters); -100 and the blank are padding.
        lengths: int64 (B,), frames of each recording within F.
        config: configuration with the blank, `pad_token_id`, and `ctc_zero_infinity`.
    """
    blank = config.pad_token_id
    is_label = (labels != IGNORED_LABEL) & (labels != blank)
    counts = is_label.sum(1)
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN's CTC is not deterministic
        losses = functional.ctc_loss(
            logits.log_softmax(-1, dtype=torch.float32).transpose(0, 1),  # (B, F, V) -> (F, B, V)
            labels[is_label],
            lengths,
            counts,
            blank=blank,
            reduction="none",
            zero_infinity=config.ctc_zero_infinity,
        )
    return losses, counts


def classification_loss(
    logits: Tensor,
    labels: Tensor,
    config: PreTrainedConfig,
    *,
    class_weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Compute the loss of classes or numbers by the configuration's `problem_type`.

    Args:
        logits: (B, num_labels).
        labels: labels of `Wav2Vec2BertForSequenceClassification`.
        config: configuration with `problem_type`; without one it depends on the number and the type of the labels.
        class_weights: (num_labels,), weight of a recording of each class; with several classes at once, weight of a
            recording that has the class relative to one that has not.
        reduction: "mean", or "none" for the loss of each recording, (B,), times its weight.
    """
    problem = config.problem_type
    if problem is None:
        classes = MULTI_LABEL if labels.is_floating_point() else SINGLE_LABEL
        problem = "regression" if number_of_labels(config) == 1 else classes
    if problem == SINGLE_LABEL:
        return cross_entropy(logits, labels.flatten(), weight=class_weights, reduction=reduction)
    labels = labels.to(logits.dtype).view_as(logits)
    if problem == "regression":
        losses = mse_loss(logits, labels, reduction="none")
    else:
        losses = binary_cross_entropy_with_logits(logits, labels, pos_weight=class_weights, reduction="none")
    return losses.mean() if reduction == "mean" else losses.mean(1)


def frame_activity_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the binary cross-entropy of each class in each frame: (…, C) logits and labels -> (…, C)."""
    return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")


def permutation_invariant_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the binary cross-entropy of speakers in the order that fits the outputs best, summed over frames.

    A recording's speakers have no order of their own, so that any assignment of them to the outputs is right.

    Args:
        logits: (F, C).
        labels: (F, C), 1 where a speaker is active.

    Returns:
        Scalar: the sum over frames of the mean over classes.

    Source: permutation-invariant training, https://arxiv.org/abs/1909.05952, section 2.2.
    """
    outputs = range(logits.shape[1])
    # (C, C): loss of each output (column) against each speaker (row), from which that of any order is a sum.
    pairs = torch.stack(
        [frame_activity_losses(logits, labels[:, [speaker] * len(outputs)]).sum(0) for speaker in outputs]
    )
    orders = torch.tensor(list(permutations(outputs)), device=logits.device)  # (C!, C)
    return pairs[orders, torch.arange(len(outputs), device=logits.device)].sum(1).min() / len(outputs)


def number_of_labels(config: PreTrainedConfig) -> int:
    """Return the configuration's `num_labels`."""
    return len(config.id2label or ())
