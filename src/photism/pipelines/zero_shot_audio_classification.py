"""Zero-shot audio classification with the interface of transformers' pipeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from photism.errors import InputError
from photism.listening.batching import Recordings, collect
from photism.listening.windowed_scores import ClassScore, Labels
from photism.listening.zero_shot import MIXTURE_TEMPERATURE, CaptionRanker
from photism.pipelines.arguments import accepted, batch_settings, first_given

CALL_ARGUMENTS = ("candidate_labels", "hypothesis_template")


class ZeroShotAudioClassificationPipeline:
    """Classify recordings by labels of the caller's, with the interface of the pipeline in transformers.

    Labels are ranked by `CaptionRanker`. A label's score is the softmax of the ranker's scores over their temperature,
    so that the scores of all labels sum to 1.

        classifier = ZeroShotAudioClassificationPipeline(model=CaptionRanker.from_pretrained())
        classifier("elephant.ogg", candidate_labels=["elephant", "bicycle"])
        # [{"score": 0.9996, "label": "elephant"}, {"score": 0.0004, "label": "bicycle"}]

    Args:
        model: the ranker.
        task: task that the pipeline is for.
        batch_size: default of a call.
        num_workers: default of a call.
        arguments: defaults of a call; and what has no effect, such as `modelcard`.

    Raises:
        InputError: the model is something else, such as a CLAP model, or an argument is not supported.
    """

    def __init__(
        self,
        *,
        model: Any,
        task: str = "zero-shot-audio-classification",
        batch_size: int | None = None,
        num_workers: int | None = None,
        **arguments: Any,
    ) -> None:
        if not isinstance(model, CaptionRanker):
            raise InputError(
                f"model must be a CaptionRanker; got {type(model).__name__}: use transformers for CLAP models"
            )
        self.model, self.task, self.batch_size, self.num_workers = model, task, batch_size, num_workers
        self._defaults = accepted(arguments, CALL_ARGUMENTS, type(self).__name__)

    def __call__(
        self,
        audios: Recordings,
        *,
        candidate_labels: Sequence[str] | None = None,
        hypothesis_template: str | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> Any:
        """Classify recordings.

        Args:
            audios: one recording, as `load_waveform` accepts it; or a list, generator or dataset of recordings.
            candidate_labels: labels to choose from; by default the captions of the model.
            hypothesis_template: text with {} in place of the label; by default the label alone, since the models of
                Photism are trained on captions. "This is a sound of {}." is the default of transformers, for CLAP.
            batch_size: recordings computed at once, which changes no result; by default that of the pipeline, or 8, or
                for an iterator 1.
            num_workers: threads that decode recordings ahead of the model; by default that of the pipeline, or 2, or
                for an iterator 0.

        Returns:
            the labels, best first, as dictionaries with `score`, 0 to 1, and `label`: a list for one recording, a list
            of lists for a list, and an iterator of lists for any other iterable.

        Raises:
            InputError: a recording is unreadable, or there are no labels.
            SettingError: the template has no {}.
        """
        labels = self.model.stream(
            audios,
            max_duration_s=math.inf,
            top_k=None,
            **first_given(
                captions=(candidate_labels, self._defaults.get("candidate_labels")),
                template=(hypothesis_template, self._defaults.get("hypothesis_template")),
            ),
            **batch_settings(
                audios, num_workers=(num_workers, self.num_workers), batch_size=(batch_size, self.batch_size)
            ),
        )
        return collect(audios, (_probabilities(each) for each in labels))


def _probabilities(labels: Labels) -> list[ClassScore]:
    """Return the labels of a recording with probabilities.

    The ranker's score of a caption is T · log Σ w exp(cos / T), so that exp(score / T) is proportional to the share of
    the caption.
    """
    ranked = labels.windows[0].scores
    scores = torch.tensor([each["score"] for each in ranked], dtype=torch.float64) / MIXTURE_TEMPERATURE
    shares = scores.softmax(0).tolist()
    return [ClassScore(score=share, label=each["label"]) for each, share in zip(ranked, shares, strict=True)]
