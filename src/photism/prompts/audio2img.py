"""Load a model of audio2img, such as a published checkpoint, as an `AudioPromptEncoder`.

These checkpoints are plain `Wav2Vec2BertModel`s whose own adapter produces the prompt. Their conventions are:

- features are normalised over the whole recording, then cropped or padded to 3.76 s;
- padding is not masked: there is no attention mask;
- the BOS embedding is that of the diffusion model's text encoder;
- the negative prompt is the model's prompt for white noise.

Source: https://github.com/kardSIM/audio2img, pipeline.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from transformers import Wav2Vec2BertConfig

from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError
from photism.json_files import read_json_object
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.prompt_space import PromptSpace
from photism.weights import check_fit, check_values, read_headers

SPACE = "audio2img"
DIFFUSION = "stabilityai/stable-diffusion-2-1"
"""Hub id of the diffusion pipeline that the checkpoints were trained for."""
INPUT_TOKENS = 188
"""Encoder inputs of two mel frames each: 375 frames, which transformers' feature extractor rounds up to 376."""
PROMPT_TOKENS = INPUT_TOKENS // 4  # 47: two layers of stride 2
ADAPTER = {
    "add_adapter": True,
    "num_adapter_layers": 2,
    "adapter_kernel_size": 3,
    "adapter_stride": 2,
    "adapter_act": "relu",
    "use_intermediate_ffn_before_adapter": False,
    "layer_norm_eps": 1e-5,
}
"""Settings of the checkpoints' own adapter, by which they are recognised: those of `ConvPromptAdapter`."""


def is_audio2img(settings: Mapping[str, Any]) -> bool:
    """Return whether a `config.json` is that of an audio2img checkpoint."""
    if settings.get("model_type") != Wav2Vec2BertConfig.model_type:
        return False
    config = Wav2Vec2BertConfig.from_dict(dict(settings))
    is_plain = config.architectures == ["Wav2Vec2BertModel"]
    return is_plain and all(getattr(config, name) == value for name, value in ADAPTER.items())


def audio2img_config(folder: Path) -> AudioPromptEncoderConfig:
    """Read the configuration of an audio2img checkpoint, without its weights.

    Args:
        folder: folder with `config.json` and, if features are padded with another value than 0,
            `preprocessor_config.json`.

    Raises:
        InputError: one of them is not a JSON object.
    """
    name = f"model {folder}"
    settings = read_json_object(folder / "config.json", name)
    preprocessor = folder / "preprocessor_config.json"
    features = read_json_object(preprocessor, name) if preprocessor.exists() else {}
    return _config(Wav2Vec2BertConfig.from_dict(settings), padding_value=features.get("padding_value", 0.0))


def name_in_prompt_encoder(name: str) -> str:
    """Return the name that a tensor of an audio2img checkpoint has in an `AudioPromptEncoder`."""
    return f"{'adapter' if name.startswith('adapter.') else 'encoder'}.{name}"


def load_audio2img(folder: Path, diffusion: Any, *, dtype: torch.dtype) -> AudioPromptEncoder:
    """Load an audio2img checkpoint, with the BOS embedding and the empty prompt of the diffusion model's text encoder.

    Args:
        folder: folder with the files of `audio2img_config` and `model.safetensors`.
        diffusion: diffusers pipeline, with its text encoder.
        dtype: dtype of the weights.

    Raises:
        InputError: weights are missing or do not fit, or the pipeline has no text encoder or accepts shorter prompts
            only.
    """
    config, path, name = audio2img_config(folder), folder / "model.safetensors", f"model {folder}"
    headers = {name_in_prompt_encoder(key): header for key, header in read_headers([path], name).items()}
    check_fit(lambda: AudioPromptEncoder(config), config.to_dict(), headers, name)
    encoder = _build(config, load_file(path), diffusion, dtype=dtype, name=name)
    check_values(encoder, name)
    return encoder


def audio2img_encoder(audio_encoder: Any, feature_extractor: Any, diffusion: Any) -> AudioPromptEncoder:
    """Make an `AudioPromptEncoder` of the parts of audio2img's own pipeline; it shares the weights of `audio_encoder`.

    Args:
        audio_encoder: a `Wav2Vec2BertModel` with audio2img's adapter, of Photism or of transformers.
        feature_extractor: its feature extractor.
        diffusion: diffusers pipeline, with its text encoder.

    Raises:
        InputError: the model or the feature extractor is of another kind, or the pipeline has no text encoder or
            accepts shorter prompts only.
    """
    if not isinstance(audio_encoder, Wav2Vec2BertModel | transformers.Wav2Vec2BertModel):
        raise InputError(f"audio_encoder must be a Wav2Vec2BertModel; got {type(audio_encoder).__name__}")
    config: Any = audio_encoder.config
    others = {name: getattr(config, name) for name, value in ADAPTER.items() if getattr(config, name) != value}
    if others:
        expected = {name: ADAPTER[name] for name in others}
        raise InputError(f"audio_encoder must have the adapter of audio2img, {expected}; it has {others}")
    features = (getattr(feature_extractor, "num_mel_bins", None), getattr(feature_extractor, "stride", None))
    if features != (80, 2):
        raise InputError(
            "feature_extractor must be a SeamlessM4TFeatureExtractor of 80 mel bins and stride 2; "
            f"got {type(feature_extractor).__name__} of {features[0]} and {features[1]}"
        )
    encoder = _build(
        _config(config, padding_value=feature_extractor.padding_value),
        audio_encoder.state_dict(),
        diffusion,
        dtype=audio_encoder.dtype,
        name="audio_encoder",
    )
    return encoder.eval()


def _config(config: Wav2Vec2BertConfig, *, padding_value: float) -> AudioPromptEncoderConfig:
    settings = config.to_dict()
    return AudioPromptEncoderConfig(
        encoder=Wav2Vec2BertConfig.from_dict({**settings, "add_adapter": False}).to_diff_dict(),
        adapter="conv",
        adapter_arguments={"num_heads": config.num_attention_heads, "intermediate_width": config.intermediate_size},
        tokens=PROMPT_TOKENS,
        space_name=SPACE,
        space_width=config.output_hidden_size or config.hidden_size,
        input_tokens=INPUT_TOKENS,
        padding_value=padding_value,
        default_negative="noise",
        default_diffusion=DIFFUSION,
    )


def _build(
    config: AudioPromptEncoderConfig, weights: Mapping[str, Tensor], diffusion: Any, *, dtype: torch.dtype, name: str
) -> AudioPromptEncoder:
    """Make the model of a configuration, the weights of a `Wav2Vec2BertModel`, and the diffusion model's embeddings."""
    space = PromptSpace.of(diffusion, name=SPACE)
    if space.length <= PROMPT_TOKENS:
        raise InputError(
            f"diffusion must accept prompts of at least {1 + PROMPT_TOKENS} tokens; it accepts {space.length}"
        )
    config.space_length, config.space_norm = space.length, space.norm
    renamed = {name_in_prompt_encoder(key): weights[key] for key in weights}
    # The BOS embedding is a view of the empty prompt; safetensors does not save views.
    embeddings = {"bos": space.bos.cpu().clone(), "negative": space.negative.cpu()}
    loaded = AudioPromptEncoder.from_pretrained(
        None,
        config=config,
        state_dict=renamed | embeddings,
        dtype=dtype,
        output_loading_info=True,
    )
    model, found = cast("tuple[AudioPromptEncoder, dict[str, Any]]", loaded)
    if found["missing_keys"]:
        raise InputError(f"{name} lacks weights: {', '.join(sorted(found['missing_keys']))}")
    return model
