"""The published checkpoints of audio2img, as an `AudioPromptEncoder`.

They are plain `Wav2Vec2BertModel`s whose own adapter makes the prompt, and are used by these conventions:

- the features of a sound are normalised over the whole of it, then cut after 3.76 s or filled up to that length;
- the filling is heard: there is no attention mask;
- the opening vector is that of the diffusion model's text encoder;
- guidance leads away from what the model makes of white noise.

Source: https://github.com/kardSIM/audio2img, pipeline.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2BertConfig

from photism.errors import InputError
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.prompt_space import PromptSpace

SPACE = "audio2img"
DIFFUSION = "stabilityai/stable-diffusion-2-1"
"""What the checkpoints were trained for."""
INPUT_TOKENS = 188
"""Of two frames: 375 are asked for, which transformers' feature extractor raises to an even number."""
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
"""How the checkpoints are told from other encoders: what `ConvPromptAdapter` has."""


def is_audio2img(settings: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is that of such a checkpoint."""
    if settings.get("model_type") != Wav2Vec2BertConfig.model_type:
        return False
    config = Wav2Vec2BertConfig.from_dict(dict(settings))
    is_plain = config.architectures == ["Wav2Vec2BertModel"]
    return is_plain and all(getattr(config, name) == value for name, value in ADAPTER.items())


def audio2img_config(folder: Path) -> AudioPromptEncoderConfig:
    """The configuration of such a checkpoint; its weights are not read.

    Args:
        folder: with `config.json` and, where features are filled up with another value than 0,
            `preprocessor_config.json`.
    """
    settings = json.loads((folder / "config.json").read_text(encoding="utf8"))
    config = Wav2Vec2BertConfig.from_dict(settings)
    preprocessor = folder / "preprocessor_config.json"
    features = json.loads(preprocessor.read_text(encoding="utf8")) if preprocessor.is_file() else {}
    return AudioPromptEncoderConfig(
        encoder=Wav2Vec2BertConfig.from_dict({**settings, "add_adapter": False}).to_diff_dict(),
        adapter="conv",
        adapter_arguments={"num_heads": config.num_attention_heads, "intermediate_width": config.intermediate_size},
        tokens=PROMPT_TOKENS,
        space_name=SPACE,
        space_width=config.output_hidden_size or config.hidden_size,
        input_tokens=INPUT_TOKENS,
        padding_value=features.get("padding_value", 0.0),
        default_negative="noise",
        default_diffusion=DIFFUSION,
    )


def load_audio2img(folder: Path, diffusion: Any, *, dtype: torch.dtype) -> AudioPromptEncoder:
    """Such a checkpoint, with the opening vector and the empty prompt of the text encoder that it goes with.

    Args:
        folder: as for `audio2img_config`, and with `model.safetensors`.
        diffusion: the diffusers pipeline that will draw, with its text encoder.
        dtype: of the weights.

    Raises:
        InputError: weights are missing, or the pipeline has no text encoder or takes shorter prompts.
    """
    config = audio2img_config(folder)
    space = PromptSpace.of(diffusion, name=SPACE)
    if space.length <= PROMPT_TOKENS:
        raise InputError(f"diffusion must take prompts of at least {1 + PROMPT_TOKENS} tokens; it takes {space.length}")
    config.space_length, config.space_norm = space.length, space.norm
    weights = load_file(folder / "model.safetensors")
    renamed = {f"{'adapter' if name.startswith('adapter.') else 'encoder'}.{name}": weights[name] for name in weights}
    # The opening vector is a view of the empty prompt, and views are not saved.
    vectors = {"bos": space.bos.cpu().clone(), "negative": space.negative.cpu()}
    loaded = AudioPromptEncoder.from_pretrained(
        None,
        config=config,
        state_dict=renamed | vectors,
        dtype=dtype,
        output_loading_info=True,
    )
    model, found = cast("tuple[AudioPromptEncoder, dict[str, Any]]", loaded)
    if found["missing_keys"]:
        raise InputError(f"model {folder} lacks weights: {', '.join(sorted(found['missing_keys']))}")
    return model
