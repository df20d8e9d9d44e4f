"""The encoder of a checkpoint: of a Wav2Vec2-BERT, with or without a head, or of a Photism model.

Only its configuration and its weights are read. A model is built once by the caller, and takes them over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Wav2Vec2BertConfig

from photism.audio.feature_settings import FeatureSettings
from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.pretrained import WEIGHT_FILES, find_checkpoint, read_tensor_headers
from photism.errors import InputError, as_input_error
from photism.fingerprint import TRAINING_ONLY
from photism.prompts.audio2img import audio2img_config, is_audio2img, name_in_prompt_encoder
from photism.prompts.audio_prompt_encoder import AudioPromptEncoderConfig
from photism.weights import check_fit, check_values

HEAD_PREFIX = "wav2vec2_bert."
"""Prefix of the encoder's weights in the checkpoint of a head."""
ENCODER_PREFIX = "encoder."
"""Prefix of the encoder's weights in the checkpoint of a Photism model."""
ADAPTER_PREFIXES = ("adapter.", "intermediate_ffn.")
"""Prefixes, within the encoder, of its own adapter, which is not taken over."""
ENCODER_PARTS = frozenset({"feature_projection", "encoder", TRAINING_ONLY})
"""Parts of an encoder without an adapter."""
SPACE_PARTS = frozenset({"bos", "negative", "pooled_negative"})
"""Embeddings of the prompt space in the checkpoint of a Photism model, which are not trained."""


T = TypeVar("T")


@dataclass(frozen=True)
class PretrainedEncoder:
    """Configuration and weights of a pretrained encoder.

    Attributes:
        config: configuration of the encoder, without an adapter.
        prompt_config: configuration of the Photism model that it is part of, if it is.
        read_weights: returns all tensors of the checkpoint, by name.
        name: what the user calls the checkpoint.
        tensors: names of all its tensors.
        diffusion: folder of the diffusion pipeline in the checkpoint's folder, if there is one.
    """

    config: Wav2Vec2BertConfig
    prompt_config: AudioPromptEncoderConfig | None
    read_weights: Callable[[], Mapping[str, Tensor]]
    name: str = "the encoder"
    tensors: Sequence[str] = ()
    diffusion: Path | None = None

    @property
    def other_parts(self) -> list[str]:
        """Trained parts besides the encoder, such as "adapter" or "lm_head"."""
        prefix = _prefix(self.tensors, is_prompt_encoder=self.prompt_config is not None)
        inside = {name.removeprefix(prefix).split(".")[0] for name in self.tensors if name.startswith(prefix)}
        outside = {name.split(".")[0] for name in self.tensors if not name.startswith(prefix)}
        return sorted((inside - ENCODER_PARTS) | (outside - SPACE_PARTS))

    @property
    def features(self) -> FeatureSettings:
        """Settings of the log-mel features that the encoder expects.

        Raises:
            InputError: its input width is not a multiple of 80 mel bins.
        """
        if self.prompt_config is not None:
            return FeatureSettings(self.prompt_config.num_mel_bins, self.prompt_config.feature_stride)
        bins = FeatureSettings().num_mel_bins
        width: int = self.config.feature_projection_input_dim
        stride, rest = divmod(width, bins)
        if rest or not stride:
            raise InputError(
                f"encoder must take {bins} mel bins, or those of several frames; its feature_projection_input_dim is "
                f"{width}"
            )
        return FeatureSettings(bins, stride)

    def start_line(self, *, kept: Collection[str] = (), reason: str | None = None) -> str:
        """Return which parts a training takes over and which it leaves behind, as a line of the report.

        Args:
            kept: `other_parts` that it takes over.
            reason: why it leaves the rest behind.
        """
        taken = ["the encoder", *(f"the {part}" for part in self.other_parts if part in kept)]
        left = [part for part in self.other_parts if part not in kept]
        line = f"the training {'starts from' if len(taken) == 1 else 'continues'} {' and '.join(taken)} of {self.name}"
        if left:
            line += f"; its {' and '.join(left)} {'is' if len(left) == 1 else 'are'} left behind"
        return line + (f": {reason}" if left and reason else "")

    def load_into(self, encoder: nn.Module) -> None:
        """Copy the weights of the encoder into a new one, whose adapter, if it has one, stays new.

        Raises:
            InputError: the checkpoint lacks weights of the encoder, or has others.
        """
        weights = self.read_weights()
        weights = select(weights, _prefix(weights, is_prompt_encoder=self.prompt_config is not None))
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(ADAPTER_PREFIXES)}
        optional = (*ADAPTER_PREFIXES, TRAINING_ONLY)
        with as_input_error("encoder cannot be loaded"):
            found = encoder.load_state_dict(weights, strict=False)
        check_values(encoder, f"encoder {self.name}")
        missing = [name for name in found.missing_keys if not name.startswith(optional)]
        unexpected = [name for name in found.unexpected_keys if not name.startswith(optional)]
        if missing or unexpected:
            raise InputError(
                f"encoder must have the weights that its configuration describes; missing: {missing}, "
                f"unexpected: {unexpected}"
            )


def load_pretrained_encoder(encoder: str) -> PretrainedEncoder:
    """Read the configuration of a checkpoint to start from, and find its weights.

    Args:
        encoder: folder or hub id of a Wav2Vec2-BERT, with any head or none, or of a Photism model; "tiny" is the
            bundled one.

    Raises:
        InputError: it is neither, or has no safetensors.
    """
    checkpoint = find_checkpoint(encoder, expected="a Wav2Vec2-BERT or a Photism model", parameter="encoder")
    kind = checkpoint.raw_config.get("model_type")
    if kind not in (AudioPromptEncoderConfig.model_type, Wav2Vec2BertConfig.model_type):
        raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model; {encoder} has model_type {kind!r}")
    folder = checkpoint.fetch_weights()
    headers = read_tensor_headers(folder, checkpoint.name)
    prompt_config, rename = None, str
    with as_input_error(f"{checkpoint.name} has an unusable config.json"):
        if kind == AudioPromptEncoderConfig.model_type:
            prompt_config = AudioPromptEncoderConfig.from_pretrained(folder)
        elif is_audio2img(checkpoint.raw_config):
            prompt_config = audio2img_config(folder)
            rename = name_in_prompt_encoder
        if prompt_config is not None:
            config = Wav2Vec2BertConfig(**prompt_config.encoder)
        else:
            config = Wav2Vec2BertConfig.from_pretrained(folder)
    tensors = {rename(name): header for name, header in headers.items()}
    config.add_adapter = config.use_intermediate_ffn_before_adapter = False
    config.dtype = torch.float32
    with as_input_error(f"{checkpoint.name} cannot be loaded"):
        prefix = _prefix(tensors, is_prompt_encoder=prompt_config is not None)
        check_fit(lambda: Wav2Vec2BertModel(config), config.to_dict(), select(tensors, prefix), checkpoint.name)
    diffusion = folder / "diffusion"
    return PretrainedEncoder(
        config,
        prompt_config,
        lambda: {rename(name): tensor for name, tensor in _read_weights(folder).items()},
        encoder,
        list(tensors),
        diffusion if diffusion.is_dir() else None,
    )


def select(weights: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return the tensors, or what else is known of them, whose names have a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _prefix(tensors: Iterable[str], *, is_prompt_encoder: bool) -> str:
    """Return the prefix of the encoder's tensors among those of a checkpoint."""
    if is_prompt_encoder:
        return ENCODER_PREFIX
    return HEAD_PREFIX if any(name.startswith(HEAD_PREFIX) for name in tensors) else ""


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of one file of weights, or of all shards."""
    whole = folder / "model.safetensors"
    files = [whole] if whole.is_file() else sorted(folder.glob(WEIGHT_FILES))
    return {name: tensor for path in files for name, tensor in load_file(path).items()}
