"""Load the model of a kind of vectors from a checkpoint, by default of the kind that the checkpoint is made for."""

from __future__ import annotations

import torch
from transformers import Wav2Vec2BertConfig

from photism.device import choose_device, choose_dtype
from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.pretrained import find_checkpoint, load_head
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from photism.fingerprint import combine, model_fingerprint
from photism.hub import bundled_model
from photism.listening.mean_vectors import MeanVectors, layer_index
from photism.listening.prompt_vectors import PromptVectors, prompt_fingerprint
from photism.listening.settings import EmbedModelSettings, VectorKind
from photism.listening.vectors import VectorModel
from photism.listening.x_vectors import XVectors
from photism.listening.zero_shot import CaptionRanker
from photism.prompts.audio2img import is_audio2img
from photism.prompts.encoder_config import AudioPromptEncoderConfig
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from photism.settings import SettingError

LAYER_SETTINGS = frozenset(
    {"hidden_act", "layer_norm_eps", "num_attention_heads", "position_embeddings_type", "rotary_embedding_base"}
)
"""Settings of the layers of a Wav2Vec2-BERT that no shape of a tensor shows; others are of its head or adapter."""
LAST_LAYER = -1


def load_vector_model(
    settings: EmbedModelSettings,
    *,
    device: str | torch.device | None,
    dtype: str | torch.dtype,
    caption_count: int = 0,
) -> tuple[VectorKind, VectorModel]:
    """Load a model of vectors, and return its kind and the model.

    Weights are loaded in float32, in which their fingerprint is that of the checkpoint, and converted then.

    Args:
        settings: model, kind, layer and diffusion pipeline.
        device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
        dtype: dtype of the weights of the audio encoder.
        caption_count: number of captions that come with a vector of kind "prompt".

    Raises:
        InputError: the model does not exist, is damaged, or is not one for the kind.
        SettingError: a setting is of another kind, or there is no such layer.
    """
    chosen_device, chosen_dtype = choose_device(device), choose_dtype(dtype)
    kind = settings.kind or ("mean" if settings.layer is not None else _kind_of(settings.model))
    if settings.diffusion is not None and kind != "prompt":
        raise SettingError("diffusion", f"needs {{}} prompt; the vectors are of kind {kind}", "kind")
    if kind == "prompt":
        return kind, _load_prompt(settings, chosen_device, chosen_dtype, caption_count)
    if kind == "mean":
        return kind, _load_mean(settings, chosen_device, chosen_dtype)
    return kind, _load_x_vectors(settings, chosen_device, chosen_dtype)


def _kind_of(model: str | None) -> VectorKind:
    """Return the kind of vectors that a checkpoint is made for."""
    if model is None:
        return "prompt"
    checkpoint = find_checkpoint(model, expected="a Photism model or a Wav2Vec2-BERT")
    config = checkpoint.raw_config
    if config.get("model_type") == AudioPromptEncoderConfig.model_type or is_audio2img(config):
        return "prompt"
    if config.get("model_type") != Wav2Vec2BertConfig.model_type:
        raise InputError(
            f"{checkpoint.name} must be a Photism model or a Wav2Vec2-BERT; its model_type is "
            f"{config.get('model_type')!r}"
        )
    names = config.get("architectures") or ()
    return "xvector" if any(name.endswith("ForXVector") for name in names) else "mean"


def _load_prompt(
    settings: EmbedModelSettings, device: torch.device, dtype: torch.dtype, caption_count: int
) -> PromptVectors:
    ranker = CaptionRanker.from_pretrained(settings.model, diffusion=settings.diffusion, device=device)
    model = PromptVectors(ranker, caption_count=caption_count, fingerprint=prompt_fingerprint(ranker))
    torch.nn.Module.to(ranker.encoder, dtype)
    return model


def _load_mean(settings: EmbedModelSettings, device: torch.device, dtype: torch.dtype) -> MeanVectors:
    pretrained = load_pretrained_encoder(str(settings.model or bundled_model()))
    layer = LAST_LAYER if settings.layer is None else settings.layer
    layer = layer_index(layer, count=pretrained.config.num_hidden_layers)
    encoder = Wav2Vec2BertModel(pretrained.config)
    pretrained.load_into(encoder)
    encoder.encoder.layers = encoder.encoder.layers[:layer]
    fingerprint = combine("mean", layer, model_fingerprint(encoder, counted=LAYER_SETTINGS), vars(pretrained.features))
    torch.nn.Module.to(encoder, device, dtype)
    return MeanVectors(encoder.eval(), pretrained.features, fingerprint=fingerprint)


def _load_x_vectors(settings: EmbedModelSettings, device: torch.device, dtype: torch.dtype) -> XVectors:
    if settings.model is None:
        raise SettingError("model", "must be a Wav2Vec2BertForXVector for {} xvector: none is bundled", "kind")
    model, extractor = load_head(Wav2Vec2BertForXVector, settings.model, device=device, dtype=torch.float32)
    fingerprint = combine("xvector", model_fingerprint(model), extractor.num_mel_bins, extractor.stride)
    torch.nn.Module.to(model, dtype)
    return XVectors(model, extractor, fingerprint=fingerprint)
