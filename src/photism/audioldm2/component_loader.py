"""Load the components of a checkpoint, each when it is first used: whole, or the part of it that is needed.

The text tower and the audio tower of CLAP are loaded separately, and GPT-2 without its head, since its logits are never
used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import RLock, local
from typing import Any, NamedTuple

import torch

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint, weight_files
from photism.audioldm2.settings import FEW_STEP_SCHEDULERS, SoundPipelineSettings
from photism.device import check_compiler, choose_device, choose_dtype
from photism.errors import InputError, as_input_error
from photism.extras import require
from photism.library_logging import quiet_libraries
from photism.locks import loading_lock
from photism.schedulers import SCHEDULERS, SIGMAS, parse_scheduler
from photism.settings import SettingError
from photism.weights import check_component, check_values


class Part(NamedTuple):
    """A model that is loaded by itself: the component of the checkpoint that holds its weights, and its class."""

    component: str
    class_name: str


PARTS = {
    "text_tower": Part("text_encoder", "ClapTextModelWithProjection"),
    "audio_tower": Part("text_encoder", "ClapAudioModelWithProjection"),
    "t5": Part("text_encoder_2", "T5EncoderModel"),
    "vits": Part("text_encoder_2", "VitsModel"),
    "projection_model": Part("projection_model", "AudioLDM2ProjectionModel"),
    "language_model": Part("language_model", "GPT2Model"),
    "unet": Part("unet", "AudioLDM2UNet2DConditionModel"),
    "vae": Part("vae", "AutoencoderKL"),
    "vocoder": Part("vocoder", "SpeechT5HifiGan"),
}
"""The models that the pipeline computes with."""
DIFFUSERS_MODELS = ("projection_model", "unet", "vae")
"""Components whose classes are in diffusers; those of the others are in transformers."""
FULLY_USED = (*DIFFUSERS_MODELS, "vocoder")
"""Components of whose weights none are left unused."""
IGNORED_WEIGHTS = {
    "ClapTextModelWithProjection": [r"^audio_", r"^logit_scale", r"position_ids$"],
    "ClapAudioModelWithProjection": [r"^text_", r"^logit_scale"],
    "ClapModel": [r"position_ids$"],
    "GPT2Model": [r"^lm_head", r"attn\.(masked_)?bias$"],
    "GPT2LMHeadModel": [r"attn\.(masked_)?bias$"],
}
"""Weights of the component that a class does not use, as patterns of their names."""


class ComponentLoader:
    """Components of a checkpoint, loaded or not.

    Args:
        checkpoint: checkpoint to load from.
        settings: settings of the pipeline.
        dtypes: data type of the weights of a component, or of all others for the key "default"; by default that of the
            settings.

    Raises:
        InputError: the settings cannot be used on this machine.

    Attributes:
        device: device that the models compute on.
        dtypes: data types of the weights.
        encodings: the last encodings of texts by the text encoders that are loaded here.
        encoding_lock: held while texts are encoded, or `encodings` changes.
        loading_lock: held while a component is loaded, so that several threads load it once.
    """

    def __init__(
        self,
        checkpoint: AudioLDM2Checkpoint,
        settings: SoundPipelineSettings,
        dtypes: Mapping[str, torch.dtype] | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.settings = settings
        self.device = choose_device(settings.device)
        self.dtypes = {"default": choose_dtype(settings.dtype), **(dtypes or {})}
        _check_machine(settings, self.device)
        self.encodings: dict[Any, Any] = {}
        self.encoding_lock = RLock()
        self.loading_lock = RLock()
        self._pausing = local()
        self._loaded: dict[str, Any] = {}

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the parts and tokenizers that were loaded and that the pipeline has not shown."""
        return tuple(self._loaded)

    @property
    def can_load(self) -> bool:
        """True if there is a checkpoint to load from."""
        return self.checkpoint.folder is not None

    @property
    def is_paused(self) -> bool:
        """True while the pipeline shows None to this thread in place of a component that is not loaded."""
        return getattr(self._pausing, "is_paused", False)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Let the pipeline show None to this thread for components that are not loaded, until the end of the block."""
        was_paused, self._pausing.is_paused = self.is_paused, True
        try:
            yield
        finally:
            self._pausing.is_paused = was_paused

    @contextmanager
    def part(self, name: str) -> Generator[Any]:
        """Load a model of `PARTS`, or get it if it is loaded, and hold it until the end of the block.

        Raises:
            InputError: weights are missing or damaged.
        """
        component, class_name = PARTS[name]
        model = self._get(name, lambda: self._load_model(component, class_name))
        try:
            yield model
        finally:
            if self.settings.offload == "disk":
                self._loaded.pop(name, None)

    def processor(self, name: str) -> Any:
        """Return a tokenizer or the feature extractor, by its name in the checkpoint.

        Raises:
            InputError: its files are damaged.
        """
        return self._get(name, lambda: self._load_processor(name))

    def component(self, name: str) -> Any:
        """Return a whole component of the checkpoint, which from now on is the pipeline's, and can be trained.

        Raises:
            InputError: it is missing or damaged.
        """
        with self.loading_lock:
            return self._component(name)

    def _component(self, name: str) -> Any:
        parts = {each: part.class_name for each, part in PARTS.items() if part.component == name}
        if not parts:
            component = self.processor(name)
            del self._loaded[name]
            return component
        class_name = self._class_name(name)
        kept = [self._loaded.pop(each, None) for each in parts if parts[each] == class_name]
        for each in parts:
            self._loaded.pop(each, None)
        model = next((each for each in kept if each is not None), None) or self._load_model(name, class_name)
        return model.requires_grad_(True)

    def move(self, device: torch.device | None, dtype: torch.dtype | None) -> None:
        """Move what is loaded and what will be loaded to a device, and convert it to a dtype."""
        self.device = device or self.device
        self.dtypes = self.dtypes if dtype is None else {"default": dtype}
        with self.encoding_lock:
            self.encodings.clear()
        target = [each for each in (device, dtype) if each is not None]
        for model in self._loaded.values():
            if hasattr(model, "parameters"):  # a tokenizer has none
                model.to(*target)

    def _class_name(self, component: str) -> str:
        try:
            return self.checkpoint.classes[component][1]
        except KeyError:
            raise InputError(f"the pipeline has no {component}: give it one") from None

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        with self.loading_lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return self._loaded[name]

    def _load_processor(self, component: str) -> Any:
        import transformers

        class_name = self._class_name(component).removesuffix("Fast")
        folder = self.checkpoint.folder
        if folder is None:
            raise InputError(f"the pipeline has no {component}: give it one")
        with as_input_error(f"{component} of model {self.checkpoint.location} cannot be loaded"), quiet_libraries:
            return getattr(transformers, class_name).from_pretrained(folder / component)

    def _load_model(self, component: str, class_name: str) -> Any:
        import diffusers
        import transformers

        folder, files = self.checkpoint.fetch_weights(component)
        dtype = self.dtypes.get(component, self.dtypes["default"])
        name = f"{component} of model {self.checkpoint.location}"
        if files["use_safetensors"]:
            library = diffusers if component in DIFFUSERS_MODELS else transformers
            check_component(
                getattr(library, class_name), folder, weight_files(folder, files["variant"], ".safetensors"), name
            )
        load = _diffusers_model if component in DIFFUSERS_MODELS else _transformers_model
        with as_input_error(f"{name} cannot be loaded"), quiet_libraries, loading_lock:
            model, found = load(folder, class_name, dtype=dtype, output_loading_info=True, **files)
        if found["missing_keys"]:  # which both libraries would initialise at random, with a warning
            raise InputError(
                f"{name} is damaged: {len(found['missing_keys'])} weights are missing, such as "
                f"{min(found['missing_keys'])}"
            )
        if component in FULLY_USED and (unused := found["unexpected_keys"]):
            raise InputError(f"{name} has weights that its config.json does not describe, such as {min(unused)}")
        check_values(model, name)
        self._place(component, model.eval().requires_grad_(False))
        return model

    def _place(self, component: str, model: Any) -> None:
        """Move a loaded model to the device, in the layout that is fastest there."""
        settings = self.settings
        if component == "unet" and self.device.type == "cuda":  # on a CPU the weights stay as they lie in the file
            model.to(memory_format=torch.channels_last)
        if settings.offload not in ("model", "sequential"):
            model.to(self.device)
        if settings.offload == "sequential":
            from accelerate import cpu_offload

            cpu_offload(model, self.device)
        if component == "vae" and settings.vae_slicing:
            model.enable_slicing()
        if component == "vae" and settings.vae_tiling:
            model.enable_tiling()
        if component == "unet" and settings.compile:
            model.compile(mode="reduce-overhead" if self.device.type == "cuda" else None)


def keeps_scheduler(checkpoint: AudioLDM2Checkpoint) -> bool:
    """Return whether a checkpoint has a scheduler other than the DDIM of the published ones and our own default."""
    config = checkpoint.configs["scheduler"]
    is_default = config["_class_name"] == SCHEDULERS["dpm++"] and config.get("use_exponential_sigmas")
    return not is_default and config["_class_name"] != SCHEDULERS["ddim"]


def make_scheduler(checkpoint: AudioLDM2Checkpoint, chosen: str | None) -> Any:
    """Return a chosen scheduler with the configuration of the checkpoint's own; None is the checkpoint's.

    Args:
        checkpoint: checkpoint whose scheduler is replaced.
        chosen: a scheduler as `parse_scheduler` takes it.

    Raises:
        InputError: the checkpoint's scheduler cannot be used.
    """
    config = dict(checkpoint.configs["scheduler"])
    if chosen is None:
        return _own_scheduler(config, f"the scheduler of model {checkpoint.location}")
    choice = parse_scheduler(chosen)
    with as_input_error(f"the scheduler of model {checkpoint.location} cannot be used"):
        scheduler = choice.apply(config)
    if choice.name not in FEW_STEP_SCHEDULERS or choice.has_sigmas:
        return scheduler
    # Steps spaced evenly in log sigma, with which these solvers converge: where the noise is known exactly, 25 of them
    # are about as close to the solution as 200 of DDIM, and 25 spaced evenly in time five times as far.
    spacing = {key: option == "exponential" for option, key in SIGMAS.items()}
    scheduler = parse_scheduler(f"{chosen}:exponential").apply(config)
    # Another scheduler that is made from this configuration gets the values of the checkpoint, and its own defaults.
    defaults = scheduler.config.get("_use_default_values", [])
    scheduler.register_to_config(_use_default_values=[*defaults, *spacing])
    return scheduler


def _own_scheduler(config: Mapping[str, Any], name: str) -> Any:
    import diffusers

    scheduler_class = getattr(diffusers, str(config["_class_name"]), None)
    if scheduler_class is None:
        raise InputError(f"{name} must be one of diffusers; got {config['_class_name']!s:.40}")
    with as_input_error(f"{name} cannot be used"):
        return scheduler_class.from_config(config)


def _diffusers_model(folder: Path, class_name: str, **settings: Any) -> tuple[Any, Mapping[str, Any]]:
    import diffusers

    # Without accelerate there is no other way than low_cpu_mem_usage=False.
    has_accelerate = find_spec("accelerate") is not None
    return getattr(diffusers, class_name).from_pretrained(folder, low_cpu_mem_usage=has_accelerate, **settings)


def _transformers_model(folder: Path, class_name: str, **settings: Any) -> tuple[Any, Mapping[str, Any]]:
    import transformers

    model_class: Any = getattr(transformers, class_name)
    ignored = IGNORED_WEIGHTS.get(class_name, [])
    if class_name.startswith("Clap") and class_name != "ClapModel":  # whose configuration describes both towers
        config = transformers.ClapConfig.from_pretrained(folder)
        settings["config"] = config.text_config if "Text" in class_name else config.audio_config
    # A subclass that does not warn of the ignored weights; the model is of the library's own class.
    quiet_class: Any = type(class_name, (model_class,), {"_keys_to_ignore_on_load_unexpected": ignored})
    model, found = quiet_class.from_pretrained(folder, **settings)
    model.__class__ = model_class
    return model, found


def _check_machine(settings: SoundPipelineSettings, device: torch.device) -> None:
    if settings.offload in ("model", "sequential") and device.type == "cpu":
        raise SettingError(
            "offload", f"must not be {settings.offload} on a CPU, which has no GPU memory to save; use disk"
        )
    if settings.offload == "sequential":
        require("accelerate", "offload", "diffusion")
    if settings.compile and device.type == "cpu":
        check_compiler()
