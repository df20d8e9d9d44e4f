"""An AudioLDM 2 checkpoint in a folder or on the hub: what it is, known from its configurations alone.

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

from photism.audioldm2.options import CHECKPOINTS, LICENCE
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
"""What the parts of a checkpoint may be; its scheduler may be any of diffusers'."""
CONFIG_FILES = {
    "feature_extractor": "preprocessor_config.json",
    "scheduler": "scheduler_config.json",
    "tokenizer": "tokenizer_config.json",
    "tokenizer_2": "tokenizer_config.json",
}
"""Where it is not config.json."""
CONFIG_PATTERNS = ("model_index.json", "*/*.json", "tokenizer*/*")
"""What is fetched of the hub first: all but weights."""
WEIGHT_NAMES = ("model", "diffusion_pytorch_model")
WEIGHT_SUFFIXES = (".safetensors", "-?????-of-?????.safetensors")
DEFAULT_NEW_TOKENS = 8
"""Of the language model, where its configuration does not say."""
DEFAULT_GUIDANCE_SCALE = 3.5
"""Where the index does not say, as those of the published checkpoints do not."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint whose weights are yet to be loaded.

    Attributes:
        location: its folder or hub id.
        folder: where its configurations lie.
        configs: of its parts, by their names in `CLASSES`, and of the scheduler.
        is_speech: whether its second text encoder is that of VITS, which reads a transcription.
        guidance_scale: of a call that names none.
    """

    location: str
    folder: Path
    configs: Mapping[str, Mapping[str, Any]]
    is_speech: bool
    guidance_scale: float

    @property
    def sampling_rate(self) -> int:
        """Hz, of the waveforms."""
        return self.configs["vocoder"]["sampling_rate"]

    @property
    def hop_samples(self) -> int:
        """Samples to a mel frame."""
        return prod(self.configs["vocoder"]["upsample_rates"])

    @property
    def mel_bins(self) -> int:
        """Of a mel frame."""
        return self.configs["vocoder"]["model_in_dim"]

    @property
    def latent_scale(self) -> int:
        """Mel frames to a latent frame, and mel bins to a latent one."""
        return 2 ** (len(self.configs["vae"]["block_out_channels"]) - 1)

    @property
    def latent_samples(self) -> int:
        """Samples to a latent frame."""
        return self.hop_samples * self.latent_scale

    @property
    def window_frames(self) -> int:
        """Latent frames that the UNet was trained on: of a sound whose length is not given, and of a window."""
        size = self.configs["unet"]["sample_size"]
        return size if isinstance(size, int) else size[0]

    def latent_shape(self, frames: int) -> tuple[int, int, int]:
        """Of the latents of a waveform: channels, frames, bins."""
        return self.configs["unet"]["in_channels"], frames, self.mel_bins // self.latent_scale

    @property
    def state_widths(self) -> tuple[int, int]:
        """Of the states that the UNet takes from the language model and from the second text encoder."""
        return self.configs["language_model"]["n_embd"], self.configs["projection_model"]["text_encoder_1_dim"]

    @property
    def positions(self) -> int:
        """How many states the language model can hold, those that it makes included."""
        return self.configs["language_model"]["n_positions"]

    @property
    def new_tokens(self) -> int:
        """How many states the language model makes, where a call does not say."""
        return self.configs["language_model"].get("max_new_tokens") or DEFAULT_NEW_TOKENS

    def check_settings(self) -> None:
        """Reads all that is read of the configurations.

        Raises:
            KeyError: a setting is missing.
        """
        _ = self.sampling_rate, self.latent_samples, self.latent_shape(self.window_frames)
        _ = self.state_widths, self.positions, self.new_tokens

    def with_weights(self, part: str) -> Path:
        """The folder of a part with its weights, which are fetched where the checkpoint is on the hub.

        Raises:
            InputError: it has none in safetensors, or there is no way to the hub.
        """
        folder = self.folder / part
        if not Path(self.location).is_dir():
            if not self._is_cached(part):
                _tell_licence(self.location)
            weights = [f"{part}/{name}{suffix}" for name in WEIGHT_NAMES for suffix in WEIGHT_SUFFIXES]
            folder = fetch_files("model", self.location, [*weights, f"{part}/*.json"]) / part
        if not list(folder.glob("*.safetensors")):
            raise InputError(
                f"model must have weights in safetensors; {self.location} has none in {part}: convert it with "
                "save_pretrained of a version of diffusers that reads it"
            )
        return folder

    def _is_cached(self, part: str) -> bool:
        from huggingface_hub import try_to_load_from_cache

        names = (f"{part}/{name}.safetensors" for name in WEIGHT_NAMES)
        return any(isinstance(try_to_load_from_cache(self.location, name), str) for name in names)


@cache
def _tell_licence(location: str) -> None:
    """Once, before the first of its weights are downloaded."""
    logger.warning("%s is downloaded: %s", location, LICENCE)


def find_checkpoint(model: str | Path | None = None) -> Checkpoint:
    """Reads the configurations of a checkpoint; of the hub, nothing else is fetched.

    Args:
        model: its folder or hub id; by default the bundled one.

    Raises:
        InputError: there is none, it is not AudioLDM 2's, or its parts do not fit together.
    """
    model = bundled_model() / "sound" if model is None else model
    folder = Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", str(model), CONFIG_PATTERNS)
    index = _read(folder, "model_index.json", model)
    classes = {name: _class_of(index.get(name)) for name in (*CLASSES, "scheduler")}
    for name, allowed in CLASSES.items():
        if classes[name] not in allowed:
            raise InputError(
                f"model must be a checkpoint of AudioLDM 2, such as {CHECKPOINTS[0]}; {model} has "
                f"{classes[name] or 'nothing'} where {' or '.join(allowed)} belongs ({name})"
            )
    if classes["scheduler"] is None:
        raise InputError(
            f"model must be a checkpoint of AudioLDM 2, such as {CHECKPOINTS[0]}; {model} has no scheduler"
        )
    is_speech = classes["text_encoder_2"] == "VitsModel"
    configs = {name: _read(folder, f"{name}/{CONFIG_FILES.get(name, 'config.json')}", model) for name in classes}
    scheduler = {"_class_name": classes["scheduler"], **configs["scheduler"]}
    guidance_scale = index.get("guidance_scale", DEFAULT_GUIDANCE_SCALE)
    checkpoint = Checkpoint(str(model), folder, {**configs, "scheduler": scheduler}, is_speech, guidance_scale)
    try:
        checkpoint.check_settings()
    except (KeyError, TypeError) as error:
        raise InputError(f"model must have whole configurations; {model} has no {error}") from None
    if checkpoint.mel_bins % checkpoint.latent_scale:
        raise InputError(
            f"model must have as many mel bins as its VAE can divide by {checkpoint.latent_scale}; {model} has "
            f"{checkpoint.mel_bins}"
        )
    return checkpoint


def _class_of(part: Any) -> str | None:
    """Of an entry of an index, which is a library and a class of it; None where it is none."""
    return str(part[1]) if isinstance(part, list) and len(cast("list[Any]", part)) == 2 and part[1] else None


def _read(folder: Path, path: str, model: str | Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / path).read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"model must be a checkpoint of AudioLDM 2, such as {CHECKPOINTS[0]}; {path} of {model} cannot be read: "
            f"{error}"
        ) from None
