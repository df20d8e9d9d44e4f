"""Arguments that the pipelines of transformers document: which are used, which are obsolete, which are refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from photism.audio.waveform import load_samples
from photism.errors import InputError, as_input_error

OBSOLETE = ("args_parser", "modelcard", "use_fast")
"""Arguments without an effect, in transformers too."""
REFUSED = {
    "decoder": "Photism decodes with a language model by Transcriber(…)(…, language_model=…), or hot_words=…",
    "decoder_kwargs": "Photism decodes with a language model by Transcriber(…)(…, language_model=…), or hot_words=…",
    "generate_kwargs": "a CTC model does not generate; use transformers for models such as Whisper",
    "image_processor": "the pipelines of Photism take audio or text",
    "return_language": "a CTC model does not predict the language; use AudioClassifier, or transformers for Whisper",
    "trust_remote_code": "Photism runs no code from checkpoints",
    "video_processor": "the pipelines of Photism take audio or text",
    "vocoder": "AudioLDM 2 has its own; use transformers for models such as SpeechT5",
}
"""Arguments that Photism does not have, and what to do instead."""
STAGES = ("_sanitize_parameters", "preprocess", "_forward", "postprocess")
"""Methods by which a subclass of a pipeline of transformers changes its computation."""


def accepted(arguments: Mapping[str, Any], names: Collection[str], pipeline: str) -> dict[str, Any]:
    """Return the arguments of a pipeline that have an effect.

    Args:
        arguments: arguments by name.
        names: names of those that the pipeline has.
        pipeline: name of the pipeline's class.

    Raises:
        InputError: an argument has a value that Photism does not support.
        TypeError: there is no argument of that name.
    """
    check_framework(arguments.get("framework"))
    used: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in names:
            used[name] = value
        elif name in REFUSED:
            if value:
                raise InputError(f"{name} is not supported: {REFUSED[name]}")
        elif name not in OBSOLETE and name != "framework":
            raise TypeError(f"{pipeline} has no argument {name!r}; it takes {', '.join(sorted(names))}")
    return used


def has_own_stages(pipeline: Any, parent: type) -> bool:
    """Return True if the class of a pipeline defines a stage anew, for the computation of transformers to call.

    Args:
        pipeline: the pipeline.
        parent: the class of Photism that it is an instance of.
    """
    return any(getattr(type(pipeline), stage) is not getattr(parent, stage) for stage in STAGES)


def decoded(inputs: Any, sampling_rate: int) -> Any:
    """Return the samples (T,) of a file, URL or bytes, which transformers reads by ffmpeg; anything else unchanged."""
    return load_samples(inputs, sampling_rate) if isinstance(inputs, str | Path | bytes) else inputs


def first(*values: Any) -> Any:
    """Return the first value that is not None, or None."""
    return next((value for value in values if value is not None), None)


def first_given(**choices: tuple[Any, ...]) -> dict[str, Any]:
    """Return for each name the first of its values that is not None; a name without such a value is left out."""
    given = {name: first(*values) for name, values in choices.items()}
    return {name: value for name, value in given.items() if value is not None}


def batch_settings(inputs: Any, *, num_workers: tuple[Any, ...], batch_size: tuple[Any, ...]) -> dict[str, Any]:
    """Return the settings of batches: the first value of each that is not None, if there is any.

    An iterator may have to wait for its next recording, such as one from a microphone: by default each recording is
    computed before the next one is taken, as in transformers.

    Args:
        inputs: recordings.
        num_workers: values for the number of decoding threads.
        batch_size: values for the number of recordings in a batch.
    """
    default_workers, default_size = (0, 1) if isinstance(inputs, Iterator) else (None, None)
    return first_given(num_workers=(*num_workers, default_workers), batch_size=(*batch_size, default_size))


def check_framework(framework: str | None) -> None:
    """Check the name of the deep learning library.

    Raises:
        InputError: it is not PyTorch.
    """
    if framework not in (None, "pt"):
        raise InputError(f'framework must be "pt": Photism computes with PyTorch; got {framework!r}')


def single_device(device_map: Any) -> Any:
    """Return the only device of a `device_map`, or None for one that leaves the choice to the library.

    Raises:
        InputError: it splits the model over several devices.
    """
    if device_map in ("auto", "balanced", "balanced_low_0", "sequential"):
        return None
    if not isinstance(device_map, Mapping):
        return device_map
    devices = {str(device): device for device in device_map.values()}
    if len(devices) != 1:
        raise InputError(f"device_map must name one device, on which the whole model computes; got {device_map}")
    return next(iter(devices.values()))


def load_component(loader: str, component: Any) -> Any:
    """Return a component, such as a tokenizer; one that is given as a folder or hub id is loaded.

    Args:
        loader: name of the class of transformers that loads it, such as "AutoTokenizer".
        component: the component, a folder or a hub id.

    Raises:
        InputError: it cannot be loaded.
    """
    if not isinstance(component, str):
        return component
    import transformers

    with as_input_error(f"{component} cannot be loaded by {loader}"):
        return getattr(transformers, loader).from_pretrained(component)
