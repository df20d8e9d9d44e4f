"""Pairs of Photism's and transformers' models with the same tiny random weights."""

from typing import Any

import torch
import transformers
from torch import Tensor, nn

import photism

POSITIONS = ("relative_key", "relative", "rotary", None)
CLASSES = ("Model", "ForCTC", "ForSequenceClassification", "ForAudioFrameClassification", "ForXVector")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference, as a fraction of the largest value of the tensor."""


def tiny_config(**changes: Any) -> transformers.Wav2Vec2BertConfig:
    """Return a small configuration without randomness, with distances that are clipped on both sides."""
    settings = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "feature_projection_input_dim": 20,
        "conv_depthwise_kernel_size": 7,
        "left_max_position_embeddings": 6,
        "right_max_position_embeddings": 2,
        "conformer_conv_dropout": 0.0,
        "final_dropout": 0.0,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "vocab_size": 11,
        "num_labels": 5,
        "classifier_proj_size": 24,
        "tdnn_dim": [16, 16, 24],
        "tdnn_kernel": [3, 3, 1],
        "tdnn_dilation": [1, 2, 1],
        "xvector_output_dim": 12,
    }
    return transformers.Wav2Vec2BertConfig(**(settings | changes))


def pair(name: str, **changes: Any) -> tuple[nn.Module, nn.Module]:
    """Return Photism's and transformers' model of one kind, such as "ForCTC", in evaluation mode."""
    torch.manual_seed(0)
    reference = getattr(transformers, f"Wav2Vec2Bert{name}")(tiny_config(**changes))
    for parameter in reference.parameters():  # initial zeros and ones would hide faults
        nn.init.normal_(parameter, 0.0 if parameter.ndim > 1 else 0.5, 0.3)
    ours = getattr(photism, f"Wav2Vec2Bert{name}")(tiny_config(**changes))
    ours.load_state_dict(reference.state_dict())
    return ours.eval(), reference.eval()


def batch(lengths: tuple[int, ...], width: int = 20) -> tuple[Tensor, Tensor]:
    """Return random features (B, F, width) and their mask (B, F), padded on the right with noise."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(len(lengths), max(lengths), width, generator=generator)
    return features, (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def check_gradients(ours: nn.Module, reference: nn.Module) -> None:
    """Assert equal gradients, relative to each parameter's largest; for those that are rounding only, the model's."""
    wanted = {key: parameter.grad for key, parameter in reference.named_parameters() if parameter.grad is not None}
    largest = max(float(gradient.abs().max()) for gradient in wanted.values())
    for key, parameter in ours.named_parameters():
        if key not in wanted:
            assert parameter.grad is None or not parameter.grad.any(), key
            continue
        scale = max(float(wanted[key].abs().max()), 1e-3 * largest)
        assert float((parameter.grad - wanted[key]).abs().max()) <= 5e-5 * scale, key


def difference(ours: Tensor, reference: Tensor) -> float:
    """Return the largest difference as a fraction of the reference's largest value."""
    assert ours.shape == reference.shape
    ours, reference = ours.float(), reference.float()
    return ((ours - reference).abs().max() / reference.abs().max().clamp(min=1e-12)).item()
