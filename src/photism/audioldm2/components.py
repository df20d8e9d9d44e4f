"""The parts of a checkpoint, each loaded when it is first used: classes of transformers and diffusers, as they are.

Of CLAP, the tower that reads and the one that hears are apart, and of GPT-2 the transformer is enough: no logits over
its vocabulary are ever read.
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

from photism.audioldm2.cached_cross_attention import install_constant_text
from photism.audioldm2.checkpoint import Checkpoint
from photism.audioldm2.onednn_layout import use_onednn
from photism.audioldm2.options import FEW_STEP_SCHEDULERS, SoundOptions
from photism.errors import InputError, as_input_error

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
"""Names of models: the part of the checkpoint that has the weights, the library and its class."""
LEFT_OUT = {
    "text_tower": [r"^audio_", r"^logit_scale", r"position_ids$"],
    "audio_tower": [r"^text_", r"^logit_scale"],
    "language_model": [r"^lm_head", r"attn\.(masked_)?bias$"],
}
"""Weights of a part that a model of it needs none of, as patterns of their names."""


class Components:
    """What is loaded of a checkpoint, and what is not yet.

    Args:
        checkpoint: where it is.
        device: where models work.
        dtype: of their weights.
        options: how they are kept.

    Raises:
        InputError: the options cannot be had on this machine.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype, options: SoundOptions
    ) -> None:
        _check_machine(options, device)
        self.checkpoint = checkpoint
        self.device = device
        self.dtype = dtype
        self.options = options
        self._loaded: dict[str, Any] = {}

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of what is in memory now."""
        return tuple(self._loaded)

    @contextmanager
    def at_work(self, *names: str) -> Generator[list[Any]]:
        """Models on the device, for as long as they work there.

        Args:
            names: of `MODELS`.

        Raises:
            InputError: weights are missing or damaged.
        """
        models = [self._get(name, lambda name=name: self._load(name)) for name in names]
        moved = self.options.offload == "model"
        try:
            for model in models if moved else ():
                model.to(self.device)
            yield models
        finally:
            for model in models if moved else ():
                model.to("cpu")
            for name in names if self.options.offload == "disk" else ():
                self._loaded.pop(name, None)

    @property
    def tokenizers(self) -> tuple[Any, Any]:
        """CLAP's, and T5's or VITS's."""
        second = "VitsTokenizer" if self.checkpoint.is_speech else "T5Tokenizer"
        first = self._get("tokenizer", lambda: self._load_tool("tokenizer", "RobertaTokenizer"))
        return first, self._get("tokenizer_2", lambda: self._load_tool("tokenizer_2", second))

    @property
    def feature_extractor(self) -> Any:
        """What prepares waveforms for the audio tower."""
        name = "feature_extractor"
        return self._get(name, lambda: self._load_tool(name, "ClapFeatureExtractor"))

    def make_scheduler(self) -> Any:
        """A fresh one, since schedulers hold the state of a call."""
        import diffusers

        from photism.schedulers import SCHEDULERS

        config = dict(self.checkpoint.configs["scheduler"])
        own, chosen = config["_class_name"], self.options.scheduler
        name = own if chosen is None else SCHEDULERS[chosen]
        if chosen in FEW_STEP_SCHEDULERS:
            # Steps that are even in log sigma, with which these solvers converge: where the noise is known exactly, 25
            # of them are about as near to the solution as 200 of DDIM, and 25 that are even in time five times as far.
            config |= {"use_exponential_sigmas": True}
        return getattr(diffusers, name).from_config(config)

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]

    def _load_tool(self, part: str, class_name: str) -> Any:
        import transformers

        with as_input_error(f"model {self.checkpoint.location} has no {part} that can be loaded"):
            return getattr(transformers, class_name).from_pretrained(self.checkpoint.folder / part)

    def _load(self, name: str) -> Any:
        part, library, class_name = MODELS[name]
        folder = self.checkpoint.with_weights(part)
        with as_input_error(f"model {self.checkpoint.location} has no {part} that can be loaded"):
            if library == "diffusers":
                model, found = _diffusers_model(folder, class_name, self.dtype)
            else:
                model, found = _transformers_model(folder, class_name, self.dtype, LEFT_OUT.get(name, []))
        if found["missing_keys"]:  # which both libraries would make up at random, with a warning
            raise InputError(
                f"model {self.checkpoint.location} has a damaged {part}: {len(found['missing_keys'])} weights are "
                f"missing, such as {min(found['missing_keys'])}"
            )
        model.eval().requires_grad_(False)
        if name == "unet":
            install_constant_text(model)
            if self.device.type == "cuda":  # on the processor, weights stay as they lie in the file
                model.to(memory_format=torch.channels_last)
        if self.options.offload not in ("model", "sequential"):
            model.to(self.device)
        if self.device.type == "cpu" and self.dtype == torch.float32:
            use_onednn(model)
        if self.options.offload == "sequential":
            from accelerate import cpu_offload

            cpu_offload(model, self.device)
        self._finish(name, model)
        return model

    def _finish(self, name: str, model: Any) -> None:
        if name == "vae" and self.options.vae_slicing:
            model.enable_slicing()
        if name == "vae" and self.options.vae_tiling:
            model.enable_tiling()
        if name == "unet" and self.options.compile:
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
    folder: Path, class_name: str, dtype: torch.dtype, left_out: list[str]
) -> tuple[Any, Mapping[str, Any]]:
    import transformers

    library_class = getattr(transformers, class_name)
    # The same class, which does not warn of what is left out.
    model_class: Any = type(class_name, (library_class,), {"_keys_to_ignore_on_load_unexpected": left_out})
    settings: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    if class_name.startswith("Clap"):  # one tower of the two that its configuration is of
        config = transformers.ClapConfig.from_pretrained(folder)
        settings["config"] = config.text_config if "Text" in class_name else config.audio_config
    return model_class.from_pretrained(folder, **settings)


def _check_machine(options: SoundOptions, device: torch.device) -> None:
    if options.offload in ("model", "sequential") and device.type == "cpu":
        raise InputError(
            f"offload {options.offload!r} must be left out on the processor: it spares the memory of a GPU; 'disk' "
            "spares any"
        )
    if options.offload == "sequential" and find_spec("accelerate") is None:
        raise InputError("offload needs accelerate, which is not installed: pip install 'photism[diffusion]'")
    if options.compile and device.type == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch calls
        if shutil.which(compiler) is None:
            raise InputError(f"compile needs a C++ compiler, and {compiler} is none here; install it, or set CXX")
