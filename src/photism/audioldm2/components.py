"""The components of a checkpoint, each loaded when it is first used: classes of transformers and diffusers.

The text tower and the audio tower of CLAP are loaded separately, and GPT-2 without its head, since its logits are never
used.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from photism.audioldm2.cached_cross_attention import install_cached_cross_attention
from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.onednn_layout import use_onednn
from photism.audioldm2.settings import FEW_STEP_SCHEDULERS, SoundPipelineSettings
from photism.device import choose_device, choose_dtype
from photism.errors import InputError, as_input_error
from photism.schedulers import SCHEDULERS
from photism.settings import SettingError

MODELS = {
    "text_tower": ("text_encoder", "transformers", "ClapTextModelWithProjection"),
    "audio_tower": ("text_encoder", "transformers", "ClapAudioModelWithProjection"),
    "t5": ("text_encoder_2", "transformers", "T5EncoderModel"),
    "vits": ("text_encoder_2", "transformers", "VitsModel"),
    "projection_model": ("projection_model", "diffusers", "AudioLDM2ProjectionModel"),
    "language_model": ("language_model", "transformers", "GPT2Model"),
    "unet": ("unet", "diffusers", "AudioLDM2UNet2DConditionModel"),
    "vae": ("vae", "diffusers", "AutoencoderKL"),
    "vocoder": ("vocoder", "transformers", "SpeechT5HifiGan"),
}
"""Component of the checkpoint that holds the weights of each model, the library and its class."""
IGNORED_WEIGHTS = {
    "text_tower": [r"^audio_", r"^logit_scale", r"position_ids$"],
    "audio_tower": [r"^text_", r"^logit_scale"],
    "language_model": [r"^lm_head", r"attn\.(masked_)?bias$"],
}
"""Weights of the component that the model does not use, as patterns of their names."""


class Components:
    """The components of a checkpoint, loaded or not.

    Args:
        checkpoint: checkpoint to load from.
        settings: settings of the pipeline.

    Raises:
        InputError: the settings cannot be used on this machine.

    Attributes:
        device: device that the models compute on.
        dtype: data type of the weights.
    """

    def __init__(self, checkpoint: AudioLDM2Checkpoint, settings: SoundPipelineSettings) -> None:
        self.checkpoint = checkpoint
        self.settings = settings
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype)
        _check_machine(settings, self.device)
        self._loaded: dict[str, Any] = {}

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the components in memory."""
        return tuple(self._loaded)

    @contextmanager
    def on_device(self, *names: str) -> Generator[list[Any]]:
        """Load models and hold them on the device until the end of the block.

        Args:
            names: names of `MODELS`.

        Raises:
            InputError: weights are missing or damaged.
        """
        models = [self._get(name, lambda name=name: self._load(name)) for name in names]
        is_moved = self.settings.offload == "model"
        try:
            for model in models if is_moved else ():
                model.to(self.device)
            yield models
        finally:
            for model in models if is_moved else ():
                model.to("cpu")
            for name in names if self.settings.offload == "disk" else ():
                self._loaded.pop(name, None)

    @property
    def tokenizers(self) -> tuple[Any, Any]:
        """Tokenizer of CLAP, and that of T5 or VITS."""
        second = "VitsTokenizer" if self.checkpoint.is_speech else "T5Tokenizer"
        first = self._get("tokenizer", lambda: self._load_processor("tokenizer", "RobertaTokenizer"))
        return first, self._get("tokenizer_2", lambda: self._load_processor("tokenizer_2", second))

    @property
    def feature_extractor(self) -> Any:
        """Feature extractor of CLAP's audio tower."""
        name = "feature_extractor"
        return self._get(name, lambda: self._load_processor(name, "ClapFeatureExtractor"))

    def make_scheduler(self) -> Any:
        """Return a new scheduler, since a scheduler holds the state of one call."""
        import diffusers

        config = dict(self.checkpoint.configs["scheduler"])
        own, chosen = config["_class_name"], self.settings.scheduler
        name = own if chosen is None else SCHEDULERS[chosen]
        if chosen in FEW_STEP_SCHEDULERS:
            # Steps spaced evenly in log sigma, with which these solvers converge: where the noise is known exactly, 25
            # of them are about as close to the solution as 200 of DDIM, and 25 spaced evenly in time five times as far.
            config |= {"use_exponential_sigmas": True}
        return getattr(diffusers, name).from_config(config)

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]

    def _load_processor(self, component: str, class_name: str) -> Any:
        import transformers

        with as_input_error(f"{component} of model {self.checkpoint.location} cannot be loaded"):
            return getattr(transformers, class_name).from_pretrained(self.checkpoint.folder / component)

    def _load(self, name: str) -> Any:
        component, library, class_name = MODELS[name]
        folder = self.checkpoint.fetch_weights(component)
        with as_input_error(f"{component} of model {self.checkpoint.location} cannot be loaded"):
            if library == "diffusers":
                model, found = _diffusers_model(folder, class_name, self.dtype)
            else:
                model, found = _transformers_model(folder, class_name, self.dtype, IGNORED_WEIGHTS.get(name, []))
        if found["missing_keys"]:  # which both libraries would initialise at random, with a warning
            raise InputError(
                f"{component} of model {self.checkpoint.location} is damaged: {len(found['missing_keys'])} weights are "
                f"missing, such as {min(found['missing_keys'])}"
            )
        self._place(name, model.eval().requires_grad_(False))
        return model

    def _place(self, name: str, model: Any) -> None:
        """Move a loaded model to the device, in the layout and with the kernels that are fastest there."""
        if name == "unet":
            install_cached_cross_attention(model)
            if self.device.type == "cuda":  # on a CPU the weights stay as they lie in the file
                model.to(memory_format=torch.channels_last)
        if self.settings.offload not in ("model", "sequential"):
            model.to(self.device)
        if self.device.type == "cpu" and self.dtype == torch.float32:
            use_onednn(model)
        if self.settings.offload == "sequential":
            from accelerate import cpu_offload

            cpu_offload(model, self.device)
        if name == "vae" and self.settings.vae_slicing:
            model.enable_slicing()
        if name == "vae" and self.settings.vae_tiling:
            model.enable_tiling()
        if name == "unet" and self.settings.compile:
            model.compile(mode="reduce-overhead" if self.device.type == "cuda" else None)


def _diffusers_model(folder: Path, class_name: str, dtype: torch.dtype) -> tuple[Any, Mapping[str, Any]]:
    import diffusers

    return getattr(diffusers, class_name).from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        low_cpu_mem_usage=find_spec("accelerate") is not None,  # without it there is no other way
    )


def _transformers_model(
    folder: Path, class_name: str, dtype: torch.dtype, ignored: list[str]
) -> tuple[Any, Mapping[str, Any]]:
    import transformers

    library_class = getattr(transformers, class_name)
    # A subclass that does not warn of the ignored weights.
    model_class: Any = type(class_name, (library_class,), {"_keys_to_ignore_on_load_unexpected": ignored})
    settings: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    if class_name.startswith("Clap"):  # whose configuration describes both towers
        config = transformers.ClapConfig.from_pretrained(folder)
        settings["config"] = config.text_config if "Text" in class_name else config.audio_config
    return model_class.from_pretrained(folder, **settings)


def _check_machine(settings: SoundPipelineSettings, device: torch.device) -> None:
    if settings.offload in ("model", "sequential") and device.type == "cpu":
        raise SettingError(
            "offload", f"must not be {settings.offload} on a CPU, which has no GPU memory to save; use disk"
        )
    if settings.offload == "sequential" and find_spec("accelerate") is None:
        raise InputError("offload needs accelerate, which is not installed: pip install 'photism[diffusion]'")
    if settings.compile and device.type == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch calls
        if shutil.which(compiler) is None:
            raise InputError(f"compile needs a C++ compiler, but {compiler} is not installed; install it, or set CXX")
