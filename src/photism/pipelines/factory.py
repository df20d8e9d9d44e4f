"""`photism.pipeline`: the pipeline of a task, as `transformers.pipeline` makes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import Wav2Vec2BertConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from photism.device import choose_device, dtype_name
from photism.encoder.pretrained import find_checkpoint
from photism.errors import InputError
from photism.hub import fetch_files
from photism.pipelines.arguments import check_framework, first, load_component, single_device
from photism.pipelines.audio_classification import AudioClassificationPipeline
from photism.pipelines.automatic_speech_recognition import AutomaticSpeechRecognitionPipeline

if TYPE_CHECKING:  # importing these loads diffusers
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.pipelines.text_to_audio import TextToAudioPipeline
    from photism.pipelines.zero_shot_audio_classification import ZeroShotAudioClassificationPipeline

logger = logging.getLogger(__name__)

ALIASES = {"text-to-speech": "text-to-audio"}
MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""File patterns of a model: configurations, tokenizers and weights."""
DEFAULT_RECOGNIZER = "facebook/wav2vec2-base-960h"
"""Default of transformers for speech recognition."""
TASK_OF_ARCHITECTURE = {
    "ForSequenceClassification": "audio-classification",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "AudioPromptEncoder": "audio-to-image",
    "AudioLDM2Pipeline": "text-to-audio",
    "CaptionRanker": "zero-shot-audio-classification",
    "AudioToImagePipeline": "audio-to-image",
}
"""Task of a model, by the end of its class name."""
PIPELINE_CLASSES: dict[str, type] = {
    "audio-classification": AudioClassificationPipeline,
    "automatic-speech-recognition": AutomaticSpeechRecognitionPipeline,
}
"""Classes that derive from those of transformers, and of which there may be subclasses."""


@dataclass(frozen=True)
class Request:
    """What a pipeline is made of.

    Attributes:
        model: model, folder or hub id; None for the default of the task.
        config: configuration in place of the model's own.
        tokenizer, feature_extractor: components in place of the model's own.
        device: device of the model.
        dtype: dtype of the weights.
        model_kwargs: further arguments of `from_pretrained`.
        pipeline_class: class to make, if the task has one that derives from transformers'.
        call: arguments of the pipeline's class, defaults of a call among them.
    """

    model: Any
    config: Any
    tokenizer: Any
    feature_extractor: Any
    device: torch.device
    dtype: torch.dtype | str
    model_kwargs: Mapping[str, Any]
    pipeline_class: Any
    call: Mapping[str, Any]

    @property
    def is_loaded(self) -> bool:
        """True if the model is not a folder or a hub id, which has to be loaded."""
        return not isinstance(self.model, str | Path | None)


def pipeline(
    task: str | None = None,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    feature_extractor: Any = None,
    *,
    processor: Any = None,
    framework: str | None = "pt",
    revision: str | None = None,
    token: bool | str | None = None,
    device: int | str | torch.device | None = None,
    device_map: Any = None,
    dtype: torch.dtype | str | None = None,
    torch_dtype: torch.dtype | str | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    pipeline_class: type | None = None,
    **arguments: Any,
) -> Any:
    """Make a pipeline for a task, with the arguments and results of `transformers.pipeline`.

        classifier = pipeline("audio-classification", model="superb/wav2vec2-base-superb-ks")
        classifier("speech.wav", top_k=1)  # [{"label": "yes", "score": 0.98}]

    Args:
        task: "audio-classification", "automatic-speech-recognition", "zero-shot-audio-classification", "text-to-audio"
            or its alias "text-to-speech", or Photism's own "audio-to-image", which is an `AudioToImagePipeline`. By
            default the task of the model.
        model: folder, hub id or model; by default the one that is named in a warning: a bundled model, or
            facebook/wav2vec2-base-960h for speech recognition.
        config: configuration, folder or hub id, in place of that of the model.
        tokenizer: tokenizer, folder or hub id, in place of that of the model.
        feature_extractor: feature extractor, folder or hub id, in place of that of the model.
        processor: processor, folder or hub id, whose parts are used where they are not given.
        framework: "pt".
        revision: branch, tag or commit of a model on the hub; by default "main".
        token: token of the hub, for a model that needs one; by default the one that you have logged in with.
        device: name, number of a GPU, or -1 for the CPU; by default a GPU if there is one.
        device_map: one device, or "auto".
        dtype: dtype of the weights; "auto" is that of the checkpoint. By default float32.
        torch_dtype: earlier name of `dtype`.
        model_kwargs: further arguments of the model's `from_pretrained`; for the tasks of Photism's own models their
            settings, such as `diffusion`.
        pipeline_class: subclass of `AudioClassificationPipeline` or `AutomaticSpeechRecognitionPipeline` to make.
        arguments: arguments of the pipeline's class: `batch_size`, `num_workers`, and defaults of its calls.

    Raises:
        InputError: the task is unknown, the model does not exist or is for another task, or an argument is not
            supported.
        SettingError: a setting is out of range.
    """
    check_framework(framework)
    kwargs = dict(model_kwargs or {})
    device_map = first(device_map, kwargs.pop("device_map", None))
    chosen_dtype = first(dtype, torch_dtype, kwargs.pop("dtype", None), kwargs.pop("torch_dtype", None), "float32")
    if model is None and (tokenizer or feature_extractor or processor or config or revision):
        raise InputError(
            "model is missing: a tokenizer, feature extractor, processor, config or revision belongs to a model"
        )
    if (revision or token) and isinstance(model, str) and not Path(model).is_dir():
        model = fetch_files("model", model, MODEL_FILES, revision=revision, token=token)
    task = _chosen_task(task, model)
    processor = load_component("AutoProcessor", processor)
    request = Request(
        model=model,
        config=load_component("AutoConfig", config),
        tokenizer=load_component("AutoTokenizer", first(tokenizer, getattr(processor, "tokenizer", None))),
        feature_extractor=load_component(
            "AutoFeatureExtractor", first(feature_extractor, getattr(processor, "feature_extractor", None))
        ),
        device=_chosen_device(device, device_map),
        dtype=chosen_dtype,
        model_kwargs=kwargs,
        pipeline_class=_chosen_class(task, pipeline_class),
        call=arguments,
    )
    return LOADERS[task](request)


def _chosen_task(task: str | None, model: Any) -> str:
    """Return a task of `LOADERS`; without a task that of the model."""
    if task is None:
        if model is None:
            raise InputError(f"task is missing: it must be one of {', '.join(LOADERS)}")
        return _task_of(model)
    task = ALIASES.get(task, task)
    if task not in LOADERS:
        raise InputError(f"task must be one of {', '.join(LOADERS)}; got {task!r}: transformers.pipeline has others")
    return task


def _task_of(model: Any) -> str:
    names = [type(model).__name__]
    if isinstance(model, str | Path):
        if (Path(model) / "model_index.json").is_file():  # of diffusers
            return "text-to-audio"
        names = find_checkpoint(model, expected="a model").raw_config.get("architectures") or []
    tasks = [task for name in names for ending, task in TASK_OF_ARCHITECTURE.items() if name.endswith(ending)]
    if not tasks:
        raise InputError(f"task is missing, and not known for {', '.join(names)}; give one of {', '.join(LOADERS)}")
    return tasks[0]


def _chosen_class(task: str, pipeline_class: type | None) -> type | None:
    """Return the class of a task's pipeline, or the subclass of it that is given."""
    parent = PIPELINE_CLASSES.get(task)
    if pipeline_class is None:
        return parent
    if parent is None or not issubclass(pipeline_class, parent):
        allowed = f"a subclass of photism.{parent.__name__}" if parent else "omitted: the task has one class"
        raise InputError(f"pipeline_class for {task} must be {allowed}; got {pipeline_class.__name__}")
    return pipeline_class


def _chosen_device(device: int | str | torch.device | None, device_map: Any) -> torch.device:
    if device is not None and device_map is not None:
        raise InputError("device and device_map exclude each other; give one of them")
    return choose_device(single_device(device_map) if device is None else device)


def _warn_of_default(model: str, question: str) -> None:
    logger.warning("No model was supplied, defaulted to %s: %s", model, question)


def _load_audio_classification(request: Request) -> AudioClassificationPipeline:
    from photism.listening.classifier_checkpoint import bundled_question, load_classifier

    model, extractor = request.model, request.feature_extractor
    if not request.is_loaded:
        model, extractor, names = load_classifier(
            model,
            device=request.device,
            dtype=request.dtype,
            config=request.config,
            extractor=extractor,
            needs_names=False,
            **request.model_kwargs,
        )
        if request.model is None:
            _warn_of_default(
                "the bundled classifier",
                f"{bundled_question(names)}; for keywords, as the default of transformers, give "
                'model="superb/wav2vec2-base-superb-ks"',
            )
    return request.pipeline_class(model=model, feature_extractor=extractor, device=request.device, **request.call)


def _load_automatic_speech_recognition(request: Request) -> AutomaticSpeechRecognitionPipeline:
    from photism.listening.transcription.ctc_checkpoint import load_ctc

    model, extractor, tokenizer = request.model, request.feature_extractor, request.tokenizer
    if model is None:
        _warn_of_default(DEFAULT_RECOGNIZER, "it answers what is said, in English and in capital letters")
        model = DEFAULT_RECOGNIZER
    if not request.is_loaded:
        arguments = dict(request.model_kwargs)
        language = arguments.pop("target_lang", None)
        if language is not None:
            arguments.pop("ignore_mismatched_sizes", None)  # needed by transformers, for the size of the head
        model, extractor, tokenizer, _ = load_ctc(
            model,
            device=request.device,
            dtype=request.dtype,
            language=language,
            config=request.config,
            extractor=extractor,
            tokenizer=tokenizer,
            **arguments,
        )
    return request.pipeline_class(model, extractor, tokenizer, device=request.device, **request.call)


def _load_zero_shot_audio_classification(request: Request) -> ZeroShotAudioClassificationPipeline:
    from photism.listening.zero_shot import CaptionRanker
    from photism.pipelines.zero_shot_audio_classification import ZeroShotAudioClassificationPipeline

    ranker, arguments = request.model, _own_arguments(request)
    if ranker is None:
        _warn_of_default(
            "the bundled model", "it answers which of your labels is spoken, and knows the names of 805 things"
        )
    if not request.is_loaded:
        arguments.pop("dtype")
        ranker = CaptionRanker.from_pretrained(ranker, **arguments)
    return ZeroShotAudioClassificationPipeline(model=ranker, **request.call)


def _load_text_to_audio(request: Request) -> TextToAudioPipeline:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.pipelines.text_to_audio import TextToAudioPipeline

    generator, arguments = request.model, _own_arguments(request)
    if generator is None:
        _warn_of_default("the bundled AudioLDM 2", "it says the names of 805 things; other texts become one of these")
    if not request.is_loaded:
        generator = AudioLDM2Pipeline.from_pretrained(generator, **arguments)
    return TextToAudioPipeline(model=generator, **request.call)


def _load_audio_to_image(request: Request) -> AudioToImagePipeline:
    from photism.drawing.pipeline import AudioToImagePipeline

    drawing, arguments = request.model, _own_arguments(request)
    if not request.is_loaded:
        if drawing is None:
            _warn_of_default("the bundled model", "it draws what is named, one of 805 things")
        return AudioToImagePipeline.from_pretrained(drawing, **arguments, **request.call)
    if not isinstance(drawing, AudioToImagePipeline) or request.call:
        raise InputError("a model for audio-to-image must be an AudioToImagePipeline, whose call takes all arguments")
    return drawing


def _own_arguments(request: Request) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` of Photism's own classes.

    Raises:
        InputError: the model is one of transformers, such as CLAP; or a component is given, of which these classes take
            none.
    """
    for name in ("config", "tokenizer", "feature_extractor"):
        if getattr(request, name) is not None:
            raise InputError(f"{name} is part of the model for this task and cannot be replaced; omit it")
    if not request.is_loaded and request.model is not None:
        kind = _model_type(request.model)
        if kind in CONFIG_MAPPING_NAMES and kind != Wav2Vec2BertConfig.model_type:
            raise InputError(
                f"model {request.model} is a {kind}, with which Photism does not do this: use transformers.pipeline"
            )
    dtype = "float32" if request.dtype == "auto" else request.dtype
    return {"device": request.device, "dtype": dtype_name(dtype), **request.model_kwargs}


def _model_type(model: str | Path) -> str | None:
    """Return the `model_type` of a checkpoint; None if it has no config.json at its top, as one of diffusers."""
    try:
        return find_checkpoint(model, expected="a model").raw_config.get("model_type")
    except InputError:  # the class that loads the model says what is missing
        return None


LOADERS: dict[str, Callable[[Request], Any]] = {
    "audio-classification": _load_audio_classification,
    "audio-to-image": _load_audio_to_image,
    "automatic-speech-recognition": _load_automatic_speech_recognition,
    "text-to-audio": _load_text_to_audio,
    "zero-shot-audio-classification": _load_zero_shot_audio_classification,
}
"""Function that makes the pipeline of each task."""
