"""Make a tiny checkpoint of audio2img with random weights, in the layout of the published ones."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.support.tiny_checkpoint import WIDTH


def make_audio2img_model(**settings: Any) -> transformers.Wav2Vec2BertModel:
    """Make what the training notebook trains: transformers' model with its own adapter."""
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        add_adapter=True,
        num_adapter_layers=2,
        adapter_kernel_size=3,
        adapter_stride=2,
        layerdrop=0.0,
        **settings,
    )
    model = transformers.Wav2Vec2BertModel(config)
    with torch.no_grad():  # so that the biases are not all zero
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def make_audio2img(folder: Path, padding_value: float | None = 1.0) -> Path:
    """Write what the training notebook saves, the model and its feature extractor, and return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        make_audio2img_model().save_pretrained(folder)
    if padding_value is not None:
        transformers.SeamlessM4TFeatureExtractor(padding_value=padding_value).save_pretrained(folder)
    return folder
