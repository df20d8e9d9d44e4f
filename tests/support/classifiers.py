"""Make tiny audio classifiers with random weights, of each architecture, in the layout of its checkpoints.

    python -m tests.support.classifiers FOLDER

writes FOLDER/NAME for each of `NAMES`, saved by transformers.
"""

import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

LABELS = ("silence", "speech", "music", "rain", "a dog, barking", "Ελληνικά", "seven")
WIDTH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONVOLUTIONS = {
    "conv_dim": (8,) * 7,
    "num_conv_pos_embedding_groups": 4,
    "num_conv_pos_embeddings": 16,
    "classifier_proj_size": 12,
}
GROUP = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
BERT = {"classifier_proj_size": 12, "left_max_position_embeddings": 6, "right_max_position_embeddings": 2}

CLASSES: dict[str, tuple[str, str, dict[str, Any]]] = {
    # name: model type, class of the model, settings
    "bert": ("Wav2Vec2Bert", "Wav2Vec2BertForSequenceClassification", BERT),
    "bert-sum": ("Wav2Vec2Bert", "Wav2Vec2BertForSequenceClassification", {**BERT, "use_weighted_layer_sum": True}),
    "wav2vec2-base": ("Wav2Vec2", "Wav2Vec2ForSequenceClassification", CONVOLUTIONS | GROUP),
    "xlsr": ("Wav2Vec2", "Wav2Vec2ForSequenceClassification", CONVOLUTIONS | LAYER),
    "hubert": ("Hubert", "HubertForSequenceClassification", CONVOLUTIONS | GROUP),
    "wavlm": ("WavLM", "WavLMForSequenceClassification", CONVOLUTIONS | GROUP),
    "unispeech": ("UniSpeech", "UniSpeechForSequenceClassification", CONVOLUTIONS | LAYER),
    "unispeech-sat": ("UniSpeechSat", "UniSpeechSatForSequenceClassification", CONVOLUTIONS | GROUP),
    "sew": (
        "SEW",
        "SEWForSequenceClassification",
        CONVOLUTIONS | {"conv_dim": (8,) * 13, "num_conv_pos_embeddings": 17, "squeeze_factor": 2},
    ),
    "data2vec": ("Data2VecAudio", "Data2VecAudioForSequenceClassification", CONVOLUTIONS | {"conv_pos_kernel_size": 5}),
    "conformer": ("Wav2Vec2Conformer", "Wav2Vec2ConformerForSequenceClassification", CONVOLUTIONS | LAYER),
    "whisper": (
        "Whisper",
        "WhisperForAudioClassification",
        {
            "d_model": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "decoder_layers": 1,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 24,
            "num_mel_bins": 16,
            "max_source_positions": 50,
            "classifier_proj_size": 12,
        },
    ),
    "ast": ("AST", "ASTForAudioClassification", {"max_length": 64, "num_mel_bins": 32, "patch_size": 16}),
}
NAMES = tuple(CLASSES)


def make_extractor(name: str) -> Any:
    if name.startswith("bert"):
        return transformers.SeamlessM4TFeatureExtractor(padding_value=1.0)
    if name == "whisper":
        return transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    if name == "ast":
        return transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    has_mask = CLASSES[name][2].get("feat_extract_norm") == "layer"
    return transformers.Wav2Vec2FeatureExtractor(return_attention_mask=has_mask)


def make_model(name: str, **changes: Any) -> Any:
    kind, model_class, settings = CLASSES[name]
    widths = {} if name == "whisper" else WIDTH
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    config = getattr(transformers, f"{kind}Config")(**(widths | settings | labels | changes))
    # Initial zeros and ones would hide mistakes. The noise is small, so that scores still differ.
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = getattr(transformers, model_class)(config)
        for parameter_name, parameter in model.named_parameters():
            if "embed_positions" not in parameter_name:
                parameter += 0.2 * torch.randn_like(parameter)
    return model.eval()


def make_classifier(folder: Path, name: str, **changes: Any) -> Path:
    """Write a classifier to a folder and return the folder."""
    make_model(name, **changes).save_pretrained(folder)
    make_extractor(name).save_pretrained(folder)
    return folder


def give_speech_head(folder: Path, last: str = "out_proj", *, labels: int = len(LABELS)) -> None:
    """Give a wav2vec2 in a folder the head of the published emotion classifiers."""
    weights = {key: value for key, value in load_file(folder / "model.safetensors").items() if "wav2vec2." in key}
    noise, width = torch.Generator().manual_seed(1), WIDTH["hidden_size"]
    for name, outputs in (("dense", width), (last, labels)):
        weights[f"classifier.{name}.weight"] = torch.randn(outputs, width, generator=noise)
        weights[f"classifier.{name}.bias"] = torch.randn(outputs, generator=noise)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    for each in NAMES:
        make_classifier(Path(sys.argv[1]) / each, each)
