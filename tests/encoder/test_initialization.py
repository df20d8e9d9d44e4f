"""Parameters and buffers that a checkpoint lacks are initialised, for every class of model."""

import pytest
import torch

import photism
from photism.encoder.model import Wav2Vec2BertModel
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig

from .reference import CLASSES, POSITIONS, tiny_config

FILL = 12_345
"""Uninitialised integers in this test; floating-point numbers are NaN."""
EVERYTHING = {
    "add_adapter": True,
    "num_adapter_layers": 2,
    "output_hidden_size": 24,
    "use_intermediate_ffn_before_adapter": True,
    "mask_time_prob": 0.1,
}
ADAPTERS = {
    "conv": {},
    "resampler": {"num_heads": 2},
    "phonetic": {"symbols": 6, "pronunciations": 3, "pronounced": 7, "prompts": 2, "rank": 4},
}


def prompt_encoder(adapter: str) -> AudioPromptEncoder:
    return AudioPromptEncoder(
        AudioPromptEncoderConfig(
            encoder=tiny_config().to_diff_dict(),
            adapter=adapter,
            adapter_arguments=ADAPTERS[adapter],
            tokens=7,
            space_length=12,
            space_width=16,
            space_pooled_width=8,
            num_mel_bins=10,  # the encoder takes 20 numbers, of two frames
            feature_stride=2,
        )
    )


HEADS = [name for name in CLASSES if name not in ("Model", "ForCTC")]
MODELS = {
    **{f"Model {kind}": lambda kind=kind: Wav2Vec2BertModel(
        tiny_config(position_embeddings_type=kind, **EVERYTHING)) for kind in POSITIONS},
    "ForCTC": lambda: photism.Wav2Vec2BertForCTC(tiny_config(**EVERYTHING)),
    **{name: lambda name=name: getattr(photism, f"Wav2Vec2Bert{name}")(
        tiny_config(use_weighted_layer_sum=True)) for name in HEADS},
    **{f"AudioPromptEncoder {adapter}": lambda adapter=adapter: prompt_encoder(adapter) for adapter in ADAPTERS},
}  # fmt: skip


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def uninitialised(model) -> list[str]:
    return [name for name, tensor in tensors(model).items() if bool((tensor.isnan() | (tensor == FILL)).any())]


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_is_initialised_after_materialisation(name):
    with torch.device("meta"):
        model = MODELS[name]()
    model.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in tensors(model).values():
            tensor.fill_(float("nan") if tensor.is_floating_point() else FILL)
    for each in [*model.modules(), *tensors(model).values()]:
        if hasattr(each, "_is_hf_initialized"):  # set by the constructor, on meta
            del each._is_hf_initialized
    model.initialize_weights()  # called by from_pretrained for what the checkpoint lacks
    assert uninitialised(model) == []


@pytest.mark.parametrize("name", MODELS)
def test_from_pretrained_initialises_what_the_checkpoint_lacks(name, tmp_path, monkeypatch):
    def filled(tensor, **options):  # in place of uninitialised memory
        return torch.full(tensor.shape, float("nan") if tensor.is_floating_point() else FILL, dtype=tensor.dtype)

    model = MODELS[name]()
    model.save_pretrained(tmp_path, state_dict={"unrelated": torch.zeros(1)})
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **options: filled(tensor, **options))
    assert uninitialised(type(model).from_pretrained(tmp_path)) == []


@pytest.mark.parametrize("name", HEADS)
def test_layer_weights_of_a_new_head_are_equal(name, tmp_path):
    Wav2Vec2BertModel(tiny_config()).save_pretrained(tmp_path)
    model = getattr(photism, f"Wav2Vec2Bert{name}").from_pretrained(tmp_path, use_weighted_layer_sum=True)
    assert model.layer_weights.tolist() == pytest.approx([1 / 4] * 4)


def test_tensors_of_a_checkpoint_are_not_initialised_again(tmp_path):
    model = prompt_encoder("resampler")
    with torch.no_grad():
        for tensor in tensors(model).values():
            tensor.fill_(0.25)
    model.save_pretrained(tmp_path)
    assert all(
        bool((tensor == 0.25).all()) for tensor in tensors(AudioPromptEncoder.from_pretrained(tmp_path)).values()
    )
