"""Text to audio with the interface of transformers' pipeline, by AudioLDM 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from photism.audioldm2.pipeline import AudioLDM2Pipeline
from photism.errors import InputError
from photism.pipelines.arguments import accepted

GENERATION_ARGUMENTS = ("max_new_tokens",)
"""Arguments of `generate` that AudioLDM 2's language model has; it predicts states, and nothing is sampled."""


class AudioOutput(TypedDict):
    """A generated recording: audio (T,), or (n, T) for n waveforms of a text, and its sampling rate in Hz."""

    audio: NDArray[np.float32]
    sampling_rate: int


class TextToAudioPipeline:
    """Generate sound from text, with the interface of the pipeline in transformers.

        generator = TextToAudioPipeline(model=AudioLDM2Pipeline.from_pretrained())
        generator("An elephant.", forward_params={"num_inference_steps": 10})  # {"audio": …, "sampling_rate": 16000}

    Args:
        model: an AudioLDM 2.
        task: task that the pipeline is for.
        forward_params: default arguments of the model, as in a call.
        generate_kwargs: default `max_new_tokens`, as in a call.
        arguments: what has no effect, such as `modelcard`.

    Raises:
        InputError: the model is something else, such as a MusicGen, or an argument is not supported.
    """

    def __init__(
        self,
        *,
        model: Any,
        task: str = "text-to-audio",
        forward_params: Mapping[str, Any] | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        if not isinstance(model, AudioLDM2Pipeline):
            raise InputError(
                f"model must be an AudioLDM2Pipeline; got {type(model).__name__}: use transformers for its models"
            )
        accepted(arguments, ("batch_size", "num_workers"), type(self).__name__)
        self.model, self.task = model, task
        self._defaults = {**(forward_params or {}), **_generation(generate_kwargs)}

    def __call__(
        self,
        text_inputs: str | Iterable[str],
        *,
        forward_params: Mapping[str, Any] | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
    ) -> AudioOutput | list[AudioOutput] | Iterator[AudioOutput]:
        """Generate sound.

        Args:
            text_inputs: a text, or a list or other iterable of texts.
            forward_params: arguments of `AudioLDM2Pipeline.__call__`, such as `num_inference_steps` and `seed`.
            generate_kwargs: `max_new_tokens`, the number of states that the language model generates.

        Returns:
            a dictionary with `audio` and `sampling_rate`; for a list a list of these, and for any other iterable an
            iterator, which generates as it goes.

        Raises:
            InputError: an argument cannot be used.
        """
        arguments = {**self._defaults, **(forward_params or {}), **_generation(generate_kwargs)}
        if isinstance(text_inputs, str):
            return self._generate([text_inputs], arguments)[0]
        if isinstance(text_inputs, list | tuple):
            return self._generate(text_inputs, arguments)
        return (self._generate([text], arguments)[0] for text in text_inputs)

    def _generate(self, texts: Sequence[str], arguments: Mapping[str, Any]) -> list[AudioOutput]:
        output = self.model(texts, **arguments)
        waveforms = output.audios.reshape(len(texts), -1, output.audios.shape[-1])  # (B * n, T) -> (B, n, T)
        return [
            AudioOutput(audio=each[0] if len(each) == 1 else each, sampling_rate=output.sampling_rate)
            for each in waveforms
        ]


def _generation(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of `generate` that have a meaning here."""
    given = dict(arguments or {})
    if unknown := given.keys() - set(GENERATION_ARGUMENTS):
        raise InputError(
            f"generate_kwargs may have {', '.join(GENERATION_ARGUMENTS)}, since AudioLDM 2 does not sample tokens; "
            f"got {', '.join(sorted(unknown))}"
        )
    return given
