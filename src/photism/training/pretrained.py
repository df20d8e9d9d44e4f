"""What a training starts from: a Wav2Vec2-BERT, bare or with a head, or a Photism model."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError, as_input_error
from photism.hub import bundled_model, fetch_files
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.model_folder import PARTS
from photism.training.data.feature_dataset import FeatureSettings

BUNDLED = "tiny"
"""The name of the bundled model, where there is no folder of that name."""


def load_start(encoder: str) -> AudioPromptEncoder | Wav2Vec2BertModel:
    """What an alignment starts from.

    Args:
        encoder: folder or hub id of a Wav2Vec2-BERT, of any head, or of a Photism model; "tiny" is the bundled one.

    Raises:
        InputError: it is neither.
    """
    folder = Path(encoder)
    if not folder.is_dir():
        folder = bundled_model() if encoder == BUNDLED else fetch_files("encoder", encoder, PARTS)
    if not (folder / "config.json").is_file():
        raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model, but {folder} has no config.json")
    with as_input_error(f"encoder {encoder} cannot be loaded"):
        kind = json.loads((folder / "config.json").read_text(encoding="utf8")).get("model_type")
        if kind == AudioPromptEncoderConfig.model_type:
            return AudioPromptEncoder.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        if kind == "wav2vec2-bert":
            return Wav2Vec2BertModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, add_adapter=False
            )
    raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model; {encoder} is {kind!r}")


def feature_settings(start: AudioPromptEncoder | Wav2Vec2BertModel) -> FeatureSettings:
    """Of the log-mel features that an encoder was made for.

    Raises:
        InputError: the width of its input is no multiple of 80 mel bins.
    """
    if isinstance(start, AudioPromptEncoder):
        return FeatureSettings(start.config.num_mel_bins, start.config.feature_stride)
    bins = FeatureSettings().num_mel_bins
    width: int = start.config.feature_projection_input_dim
    stride, rest = divmod(width, bins)
    if rest or not stride:
        raise InputError(
            f"encoder must take {bins} mel bins, or those of several frames; its feature_projection_input_dim is "
            f"{width}"
        )
    return FeatureSettings(bins, stride)
