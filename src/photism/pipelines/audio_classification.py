"""Audio classification with the interface of transformers' pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import transformers

from photism.encoder.pretrained import check_feature_extractor, check_model
from photism.errors import InputError
from photism.listening.batching import Recordings, collect
from photism.listening.classification import AudioClassifier
from photism.listening.settings import ClassifierSettings
from photism.listening.windowed_scores import ClassScore
from photism.pipelines.arguments import accepted, batch_settings, decoded, has_own_stages

CALL_ARGUMENTS = ("top_k", "function_to_apply")
ARGUMENTS = (
    *CALL_ARGUMENTS,
    "batch_size",
    "binary_output",
    "device",
    "dtype",
    "num_workers",
    "task",
    "tokenizer",
    "torch_dtype",
)


class AudioClassificationPipeline(transformers.AudioClassificationPipeline):
    """Classify recordings, with the arguments and results of the pipeline in transformers.

    Calls are computed by `AudioClassifier`. Devices, saving and the arguments of the constructor are those of the
    class in transformers, from which this one derives; `transformers.pipeline(…, pipeline_class=…)` makes it as well. A
    subclass with a `preprocess`, `_forward` or `postprocess` of its own is computed by these, as in transformers.

        classifier = AudioClassificationPipeline(model=model, feature_extractor=feature_extractor)
        classifier("speech.wav", top_k=2)   # [{"score": 0.87, "label": "music"}, {"score": 0.09, "label": "speech"}]

    Args:
        model: a model for audio classification in evaluation mode. It is moved to the device.
        feature_extractor: its feature extractor.
        processor: a processor, whose feature extractor is used if none is given.
        arguments: as in transformers: `device`, `batch_size`, `num_workers`, `task`; defaults of a call; and what has
            no effect, such as `modelcard`.

    Raises:
        InputError: the model is for another task, or there is no feature extractor that fits it.
        SettingError: a default of a call is out of range.
    """

    def __init__(self, model: Any, *, feature_extractor: Any = None, processor: Any = None, **arguments: Any) -> None:
        check_model(model, "ForSequenceClassification")
        extractor = feature_extractor or getattr(processor, "feature_extractor", None)
        if extractor is None:
            raise InputError("feature_extractor is missing: give that of the model")
        extractor = check_feature_extractor(extractor, model.config, f"model {type(model).__name__}")
        given = {"task": "audio-classification", "top_k": None, **accepted(arguments, ARGUMENTS, type(self).__name__)}
        super().__init__(model=model, feature_extractor=extractor, **given)

    def __call__(
        self, inputs: Recordings, *, num_workers: int | None = None, batch_size: int | None = None, **arguments: Any
    ) -> Any:
        """Classify recordings.

        Args:
            inputs: one recording, as `load_waveform` accepts it; or a list, generator or dataset of recordings. Arrays
                have 16 kHz.
            num_workers: threads that decode recordings ahead of the model; by default that of the pipeline, or 2, or
                for an iterator 0.
            batch_size: recordings computed at once, which changes no result; by default that of the pipeline, or 8, or
                for an iterator 1.
            arguments: `top_k`, the number of best labels; by default, and if it is None, all of them.
                `function_to_apply`, "softmax", "sigmoid" or "none", turns logits into scores; by default the function
                for the model's `problem_type`.

        Returns:
            the labels, best first, as dictionaries with `score` and `label`: a list for one recording, a list of lists
            for a list, and an iterator of lists for any other iterable.

        Raises:
            InputError: a recording is unreadable.
            SettingError: an argument is out of range.
        """
        if has_own_stages(self, AudioClassificationPipeline):
            given: Any = inputs
            return super().__call__(given, num_workers=num_workers, batch_size=batch_size, **arguments)
        settings = {
            **self._postprocess_params,
            **self._sanitize_parameters(**arguments)[2],
            **batch_settings(
                inputs, num_workers=(num_workers, self._num_workers), batch_size=(batch_size, self._batch_size)
            ),
        }
        return collect(inputs, self._scores(inputs, settings))

    def _scores(self, inputs: Recordings, settings: dict[str, Any]) -> Iterator[list[ClassScore]]:
        model: Any = self.model  # the caller may have set another one
        extractor = check_feature_extractor(self.feature_extractor, model.config, f"model {type(model).__name__}")
        found = AudioClassifier(model, extractor).stream(inputs, max_duration_s=math.inf, **settings)
        # In the order of keys in which transformers prints them.
        return (
            [ClassScore(score=one["score"], label=one["label"]) for one in each.windows[0].scores] for each in found
        )

    def preprocess(self, inputs: Any) -> Any:
        """Compute the features of one recording."""
        extractor: Any = self.feature_extractor
        return super().preprocess(decoded(inputs, extractor.sampling_rate))

    def postprocess(self, model_outputs: Any, top_k: int | None = 5, function_to_apply: str | None = None) -> Any:
        """Return the best labels of one recording, or all of them if `top_k` is None."""
        count: Any = self.model.config.num_labels
        return super().postprocess(model_outputs, min(top_k or count, count), function_to_apply)

    def _sanitize_parameters(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, **arguments: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Check the arguments of a call; those of the constructor are its defaults."""
        settings = accepted(arguments, CALL_ARGUMENTS, type(self).__name__)
        ClassifierSettings(**settings)  # raises an error if one is out of range
        return {}, {}, settings

    def check_model_type(self, supported_models: Any) -> None:
        """Do nothing: the constructor has checked the model. transformers would only log an error."""
