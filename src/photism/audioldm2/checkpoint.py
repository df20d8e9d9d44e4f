"""Read the configurations of an AudioLDM 2 checkpoint in a folder or on the hub, before any weights.

Source: the layouts of cvssp/audioldm2, -large, -music, anhnct/audioldm2_gigaspeech and _ljspeech.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, cast

from photism.audioldm2.settings import CHECKPOINTS, LICENCE
from photism.errors import InputError
from photism.hub import bundled_model, fetch_files

logger = logging.getLogger(__name__)

CLASSES = {
    "feature_extractor": ("ClapFeatureExtractor",),
    "language_model": ("GPT2Model", "GPT2LMHeadModel"),
    "projection_model": ("AudioLDM2ProjectionModel",),
    "text_encoder": ("ClapModel",),
    "text_encoder_2": ("T5EncoderModel", "VitsModel"),
    "tokenizer": ("RobertaTokenizer", "RobertaTokenizerFast"),
    "tokenizer_2": ("T5Tokenizer", "T5TokenizerFast", "VitsTokenizer"),
    "unet": ("AudioLDM2UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "vocoder": ("SpeechT5HifiGan",),
}
"""Classes that each component may have; the scheduler may be any of diffusers'."""
CONFIG_FILES = {
    "feature_extractor": "preprocessor_config.json",
    "scheduler": "scheduler_config.json",
    "tokenizer": "tokenizer_config.json",
    "tokenizer_2": "tokenizer_config.json",
}
"""Configuration files whose name is not config.json."""
CONFIG_PATTERNS = ("model_index.json", "*/*.json", "tokenizer*/*")
"""Files that are fetched from the hub first: all but the weights."""
WEIGHT_NAMES = ("model", "diffusion_pytorch_model")
WEIGHT_SUFFIXES = (".safetensors", "-?????-of-?????.safetensors")
DEFAULT_NEW_TOKENS = 8
"""Number of states that the language model generates, if its configuration has none."""
DEFAULT_SPEECH_NEW_TOKENS = 512
"""The same for a checkpoint that generates speech: the number with which the published ones were trained."""
DEFAULT_GUIDANCE_SCALE = 3.5
"""Guidance scale if model_index.json has none, as those of the published checkpoints."""


@dataclass(frozen=True, eq=False)
class AudioLDM2Checkpoint:
    """A checkpoint whose configurations have been read.

    Attributes:
        location: folder or hub id.
        folder: folder of the configurations.
        configs: configurations of the components, by their names in `CLASSES`, and of the scheduler.
        is_speech: whether it generates speech: its second text encoder is that of VITS, which reads a transcription.
        guidance_scale: default guidance scale.
    """

    location: str
    folder: Path
    configs: Mapping[str, Mapping[str, Any]]
    is_speech: bool
    guidance_scale: float

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the waveforms in Hz."""
        return self.configs["vocoder"]["sampling_rate"]

    @property
    def hop_samples(self) -> int:
        """Samples of a mel frame."""
        return prod(self.configs["vocoder"]["upsample_rates"])

    @property
    def mel_bins(self) -> int:
        """Number of mel bins."""
        return self.configs["vocoder"]["model_in_dim"]

    @property
    def vae_scale_factor(self) -> int:
        """Mel frames of a latent frame, and mel bins of a latent bin."""
        return 2 ** (len(self.configs["vae"]["block_out_channels"]) - 1)

    @property
    def latent_samples(self) -> int:
        """Samples of a latent frame."""
        return self.hop_samples * self.vae_scale_factor

    @property
    def window_frames(self) -> int:
        """Latent frames that the UNet was trained on: the default length, and the length of a window."""
        size = self.configs["unet"]["sample_size"]
        return size if isinstance(size, int) else size[0]

    def latent_shape(self, frames: int) -> tuple[int, int, int]:
        """Return the shape of the latents of a waveform: channels, frames, bins."""
        return self.configs["unet"]["in_channels"], frames, self.mel_bins // self.vae_scale_factor

    @property
    def embed_widths(self) -> tuple[int, int]:
        """Widths of the hidden states of the language model and of the second text encoder."""
        return self.configs["language_model"]["n_embd"], self.configs["projection_model"]["text_encoder_1_dim"]

    @property
    def max_positions(self) -> int:
        """Number of positions of the language model, for its input and the states that it generates."""
        return self.configs["language_model"]["n_positions"]

    @property
    def max_new_tokens(self) -> int:
        """Default number of states that the language model generates."""
        default = DEFAULT_SPEECH_NEW_TOKENS if self.is_speech else DEFAULT_NEW_TOKENS
        return self.configs["language_model"].get("max_new_tokens") or default

    def check_configs(self) -> None:
        """Read every value that is needed of the configurations.

        Raises:
            KeyError: a value is missing.
        """
        _ = self.sampling_rate, self.latent_samples, self.latent_shape(self.window_frames)
        _ = self.embed_widths, self.max_positions, self.max_new_tokens

    def fetch_weights(self, component: str) -> Path:
        """Return the folder of a component with its weights, after fetching them if the checkpoint is on the hub.

        Raises:
            InputError: it has no weights in safetensors, or the hub cannot be reached.
        """
        folder = self.folder / component
        if not Path(self.location).is_dir():
            if not self._is_cached(component):
                _warn_of_licence(self.location)
            weights = [f"{component}/{name}{suffix}" for name in WEIGHT_NAMES for suffix in WEIGHT_SUFFIXES]
            folder = fetch_files("model", self.location, [*weights, f"{component}/*.json"]) / component
        if not list(folder.glob("*.safetensors")):
            raise InputError(
                f"model {self.location} has no weights in safetensors in {component}; convert it with save_pretrained, "
                "in a version of diffusers that reads it"
            )
        return folder

    def _is_cached(self, component: str) -> bool:
        from huggingface_hub import try_to_load_from_cache

        names = (f"{component}/{name}.safetensors" for name in WEIGHT_NAMES)
        return any(isinstance(try_to_load_from_cache(self.location, name), str) for name in names)


@cache
def _warn_of_licence(location: str) -> None:
    """Log the licence once, before the first weights are downloaded."""
    logger.warning("downloading %s: %s", location, LICENCE)


def read_checkpoint(model: str | Path | None = None) -> AudioLDM2Checkpoint:
    """Read the configurations of a checkpoint, and fetch nothing else from the hub.

    Args:
        model: folder or hub id; by default the bundled checkpoint.

    Raises:
        InputError: it does not exist, is not an AudioLDM 2 checkpoint, or its components do not fit together.
    """
    model = bundled_model() / "sound" if model is None else model
    folder = Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", str(model), CONFIG_PATTERNS)
    index = _read_json(folder, "model_index.json", model)
    classes = {name: _class_name(index.get(name)) for name in (*CLASSES, "scheduler")}
    for name, allowed in CLASSES.items():
        if classes[name] not in allowed:
            raise _not_a_checkpoint(model, f"its {name} is {classes[name] or 'missing'}, not {' or '.join(allowed)}")
    if classes["scheduler"] is None:
        raise _not_a_checkpoint(model, "it has no scheduler")
    is_speech = classes["text_encoder_2"] == "VitsModel"
    configs = {name: _read_json(folder, f"{name}/{CONFIG_FILES.get(name, 'config.json')}", model) for name in classes}
    scheduler = {"_class_name": classes["scheduler"], **configs["scheduler"]}
    guidance_scale = index.get("guidance_scale", DEFAULT_GUIDANCE_SCALE)
    checkpoint = AudioLDM2Checkpoint(str(model), folder, {**configs, "scheduler": scheduler}, is_speech, guidance_scale)
    try:
        checkpoint.check_configs()
    except (KeyError, TypeError) as error:
        raise InputError(f"model {model} has an incomplete configuration: {error} is missing") from None
    if checkpoint.mel_bins % checkpoint.vae_scale_factor:
        raise InputError(
            f"model {model} does not fit together: its vocoder takes {checkpoint.mel_bins} mel bins, which is not a "
            f"multiple of its VAE's scale factor {checkpoint.vae_scale_factor}"
        )
    return checkpoint


def _class_name(entry: Any) -> str | None:
    """Return the class of an entry of model_index.json, [library, class]; None if it is not such an entry."""
    return str(entry[1]) if isinstance(entry, list) and len(cast("list[Any]", entry)) == 2 and entry[1] else None


def _read_json(folder: Path, path: str, model: str | Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / path).read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError) as error:
        raise _not_a_checkpoint(model, f"{path} cannot be read: {error}") from None


def _not_a_checkpoint(model: str | Path, reason: str) -> InputError:
    return InputError(f"model must be an AudioLDM 2 checkpoint, such as {CHECKPOINTS[0]}; got {model}: {reason}")
