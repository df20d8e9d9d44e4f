"""The configurations of AudioLDM 2: those of a checkpoint, read before any weights, or those of components in memory.

Source: the layouts of cvssp/audioldm2, -large, -music, anhnct/audioldm2_gigaspeech and _ljspeech.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite, prod
from pathlib import Path
from typing import Any, cast

from photism.audio.waveform import HIGHEST_RATE
from photism.audioldm2.settings import CHECKPOINTS, LICENCE
from photism.errors import InputError
from photism.hub import bundled_model, fetch_files, resolve_bundled
from photism.json_files import check_library_files, read_json_object

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
WEIGHT_FILES = {
    ".safetensors": ("model", "diffusion_pytorch_model"),
    ".bin": ("pytorch_model", "diffusion_pytorch_model"),
}
"""Names of files with weights without their extension, for each extension, the preferred one first."""
LARGEST_COUNTS = {
    "block_out_channels": 2**16,
    "in_channels": 2**10,
    "model_in_dim": 2**12,
    "n_embd": 2**16,
    "n_positions": 2**20,
    "sample_size": 2**16,
    "sampling_rate": HIGHEST_RATE,
    "text_encoder_1_dim": 2**16,
    "upsample_rates": 2**10,
}
"""Largest plausible values of the configurations that are computed with before the weights are loaded."""
TYPES = {"block_out_channels": (list, tuple), "sample_size": (int, list, tuple), "upsample_rates": (list, tuple)}
"""Types of those of them that are not, or not always, a single number."""
DEFAULT_NEW_TOKENS = 8
"""Number of states that the language model generates, if its configuration has none."""
DEFAULT_SPEECH_NEW_TOKENS = 512
"""The same for a checkpoint that generates speech: the number with which the published ones were trained."""
DEFAULT_GUIDANCE_SCALE = 3.5
"""Guidance scale if model_index.json has none, as those of the published checkpoints."""


@dataclass(frozen=True, eq=False)
class AudioLDM2Checkpoint:
    """Configurations of the components, and where those that are not in memory can be loaded from.

    Attributes:
        location: folder or hub id, for messages.
        folder: folder of the configurations; None if there is nothing to load, since the components were given.
        classes: library and class of each component, from model_index.json.
        configs: configurations of the components, by their names in `CLASSES`, and of the scheduler.
        guidance_scale: default guidance scale.
        variant: variant of the weights, such as fp16, for the components that have it.
    """

    location: str
    folder: Path | None
    classes: Mapping[str, tuple[str, str]]
    configs: Mapping[str, Mapping[str, Any]]
    guidance_scale: float
    variant: str | None = None

    def with_components(self, components: Mapping[str, Any]) -> AudioLDM2Checkpoint:
        """Return the same with the configurations of components in memory, by their names; None has none."""
        configs = {name: _config(each) for name, each in components.items() if each is not None}
        kept = {name: each for name, each in self.configs.items() if name not in components}
        return replace(self, configs={**kept, **configs})

    @property
    def is_speech(self) -> bool:
        """True if it generates speech: its second text encoder is that of VITS, which reads a transcription."""
        return self.configs.get("text_encoder_2", {}).get("model_type") == "vits"

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the waveforms in Hz."""
        return self.value("vocoder", "sampling_rate")

    @property
    def hop_samples(self) -> int:
        """Samples of a mel frame."""
        return prod(self.value("vocoder", "upsample_rates"))

    @property
    def mel_bins(self) -> int:
        """Number of mel bins."""
        return self.value("vocoder", "model_in_dim")

    @property
    def vae_scale_factor(self) -> int:
        """Mel frames of a latent frame, and mel bins of a latent bin."""
        return 2 ** (len(self.value("vae", "block_out_channels")) - 1)

    @property
    def latent_samples(self) -> int:
        """Samples of a latent frame."""
        return self.hop_samples * self.vae_scale_factor

    @property
    def window_frames(self) -> int:
        """Latent frames that the UNet was trained on: the default length, and the length of a window."""
        size = self.value("unet", "sample_size")
        return size if isinstance(size, int) else size[0]

    def latent_shape(self, frames: int) -> tuple[int, int, int]:
        """Return the shape of the latents of a waveform: channels, frames, bins."""
        return self.value("unet", "in_channels"), frames, self.mel_bins // self.vae_scale_factor

    @property
    def embed_widths(self) -> tuple[int, int]:
        """Widths of the hidden states of the language model and of the second text encoder."""
        return self.value("language_model", "n_embd"), self.value("projection_model", "text_encoder_1_dim")

    @property
    def max_positions(self) -> int:
        """Number of positions of the language model, for its input and the states that it generates."""
        return self.value("language_model", "n_positions")

    @property
    def max_new_tokens(self) -> int:
        """Default number of states that the language model generates."""
        default = DEFAULT_SPEECH_NEW_TOKENS if self.is_speech else DEFAULT_NEW_TOKENS
        return self.configs.get("language_model", {}).get("max_new_tokens") or default

    def check_configs(self) -> None:
        """Read every value that is needed of the configurations.

        Raises:
            InputError: a value is missing, or two components do not fit together.
        """
        _ = self.sampling_rate, self.latent_samples, self.latent_shape(self.window_frames)
        _ = self.embed_widths, self.max_positions, self.max_new_tokens
        if self.mel_bins % self.vae_scale_factor:
            raise InputError(
                f"{self.location} does not fit together: its vocoder takes {self.mel_bins} mel bins, which is not a "
                f"multiple of its VAE's scale factor {self.vae_scale_factor}"
            )

    def value(self, component: str, name: str) -> Any:
        """Return a value of a component's configuration.

        Raises:
            InputError: it or the component is missing, or it is not a plausible number, or list of numbers.
        """
        if component not in self.configs:
            raise InputError(f"{self.location} has no {component}: give it one")
        value = self.configs[component].get(name)
        if value is None:
            raise InputError(
                f"{self.location} has an incomplete configuration: {name!r} is missing in that of its {component}"
            )
        limit = LARGEST_COUNTS.get(name)
        if limit is not None and not _are_counts(value, limit, types=TYPES.get(name, (int,))):
            raise InputError(
                f"{self.location} has an unusable configuration: {name} of its {component} must be from 1 to "
                f"{limit:,}; got {value!r:.40}"
            )
        return value

    def fetch_weights(self, component: str) -> tuple[Path, dict[str, Any]]:
        """Find the weights of a component, after fetching them if the checkpoint is on the hub.

        Returns:
            the component's folder, and the arguments of `from_pretrained` that select its files.

        Raises:
            InputError: it has no weights, or the hub cannot be reached.
        """
        if self.folder is None:
            raise InputError(f"the pipeline has no {component}: give it one")
        for variant in dict.fromkeys((self.variant, None)):
            for suffix, names in WEIGHT_FILES.items():
                folder = self._fetch(component, [f"{name}{_infix(variant)}{suffix}" for name in names])
                if any(weight_files(folder, variant, suffix)):
                    return folder, {"variant": variant, "use_safetensors": suffix == ".safetensors"}
        raise InputError(f"model {self.location} has no weights in {component}")

    def _fetch(self, component: str, names: Sequence[str]) -> Path:
        """Fetch files of a component from the hub, each whole or in shards, and return the component's folder."""
        if self.folder is None or Path(self.location).is_dir():
            return Path(self.location) / component
        if not any(_is_cached(self.location, f"{component}/{name}") for name in names):
            _warn_of_licence(self.location)
        files = [f"{component}/{pattern}" for name in names for pattern in (name, _shards(name))]
        return fetch_files("model", self.location, [*files, f"{component}/*.json"]) / component


def _are_counts(value: Any, limit: int, *, types: tuple[type, ...]) -> bool:
    """Return whether a value of a configuration is a number from 1 to a limit, or a list of at least one such."""
    counts: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    return (
        isinstance(value, types)
        and bool(counts)
        and all(isinstance(each, int) and 1 <= each <= limit for each in counts)
    )


def _infix(variant: str | None) -> str:
    return "" if variant is None else f".{variant}"


def _shards(name: str) -> str:
    """Return the pattern of the shards of a file, model-00001-of-00002.safetensors for model.safetensors."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}-?????-of-?????.{suffix}"


def weight_files(folder: Path, variant: str | None, suffix: str) -> list[Path]:
    """Return the files of a folder with weights of a variant."""
    names = [f"{name}{_infix(variant)}{suffix}" for name in WEIGHT_FILES[suffix]]
    return [path for name in names for pattern in (name, _shards(name)) for path in folder.glob(pattern)]


def _is_cached(location: str, path: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(location, path), str)


@cache
def _warn_of_licence(location: str) -> None:
    """Log the licence once, before the first weights are downloaded."""
    logger.warning("downloading %s: %s", location, LICENCE)


def read_checkpoint(
    model: str | Path | None = None, *, variant: str | None = None, components: Mapping[str, Any] | None = None
) -> AudioLDM2Checkpoint:
    """Read the configurations of a checkpoint, and fetch nothing else from the hub.

    Args:
        model: folder or hub id; by default the bundled checkpoint.
        variant: variant of the weights, such as fp16; a component that does not have it is loaded without.
        components: components that take the place of the checkpoint's own, by name.

    Raises:
        InputError: it does not exist, is not an AudioLDM 2 checkpoint, or its components do not fit together.
    """
    components = components or {}
    model = bundled_model() / "sound" if model is None else resolve_bundled(model)
    folder = Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", str(model), CONFIG_PATTERNS)
    elif variant is not None and not any(folder.glob(f"*/*.{variant}*")):
        raise InputError(f"variant must be one of the weights in {model}, which has none that is called {variant}")
    index = _read_config(folder, "model_index.json", model)
    for name in (*CLASSES, "scheduler"):
        check_library_files(folder / name, f"{name} of model {model}")
    classes: dict[str, tuple[str, str]] = {}
    for name in (*CLASSES, "scheduler"):
        if name not in components:
            classes[name] = _read_class(index.get(name), name, model)
    configs = {name: _read_config(folder, f"{name}/{CONFIG_FILES.get(name, 'config.json')}", model) for name in classes}
    if "scheduler" in classes:
        configs["scheduler"] = {"_class_name": classes["scheduler"][1], **configs["scheduler"]}
    guidance_scale = index.get("guidance_scale", DEFAULT_GUIDANCE_SCALE)
    if not isinstance(guidance_scale, int | float) or not isfinite(guidance_scale):
        raise InputError(
            f"guidance_scale in the model_index.json of {model} must be a finite number; got {guidance_scale!r:.40}"
        )
    checkpoint = AudioLDM2Checkpoint(f"{model}", folder, classes, configs, guidance_scale, variant)
    checkpoint.with_components(components).check_configs()
    return checkpoint


def _config(component: Any) -> Mapping[str, Any]:
    """Return the configuration of a component of transformers or diffusers; a tokenizer has none."""
    config: Any = getattr(component, "config", None)
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config or {})
    return {"_class_name": type(component).__name__, **values}


def _read_class(entry: Any, name: str, model: str | Path) -> tuple[str, str]:
    """Return library and class of a component from its entry of model_index.json.

    Raises:
        InputError: there is none, or the class is none that AudioLDM 2 has.
    """
    is_entry = isinstance(entry, list) and len(cast("list[Any]", entry)) == 2 and entry[1]
    library, class_name = cast("list[str]", entry) if is_entry else ("", "")
    allowed = CLASSES.get(name, (class_name,))
    if not is_entry or class_name not in allowed:
        problem = f"its {name} is {class_name or 'missing'}, not {' or '.join(allowed)}"
        raise _not_a_checkpoint(model, problem if name in CLASSES else f"it has no {name}")
    return library, class_name


def _read_config(folder: Path, path: str, model: str | Path) -> dict[str, Any]:
    """Return the content of a JSON file of a checkpoint, such as "unet/config.json"."""
    if not (folder / path).exists():
        raise _not_a_checkpoint(model, f"it has no {path}")
    component = path.rpartition("/")[0]
    return read_json_object(folder / path, f"{component} of model {model}" if component else f"model {model}")


def _not_a_checkpoint(model: str | Path, reason: str) -> InputError:
    return InputError(f"model must be an AudioLDM 2 checkpoint, such as {CHECKPOINTS[0]}; got {model}: {reason}")
