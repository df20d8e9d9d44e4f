"""Make tiny CTC checkpoints with random weights, in the layout of published ones.

    python -m tests.support.tiny_ctc FOLDER

writes FOLDER/w2v-bert and FOLDER/w2v-bert-adapter, which take log-mel features, and FOLDER/wav2vec2, FOLDER/xlsr
(layer normalisation and an attention mask) and FOLDER/hubert, which take waveforms. The weights of their heads are
scaled up, so that frames differ in their best token, and special tokens are never predicted.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLU'")
SPECIAL = (1, 2, 3)
HEAD_GAIN = 30.0
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


def make_tokenizer(folder: Path) -> transformers.Wav2Vec2CTCTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(TOKENS)}))
    return transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))


def save_checkpoint(model: torch.nn.Module, extractor: object, folder: Path) -> None:
    with torch.no_grad():
        model.lm_head.weight *= HEAD_GAIN
        model.lm_head.bias[list(SPECIAL)] = -1000.0
    tokenizer = make_tokenizer(folder)
    is_bert = model.config.model_type == "wav2vec2-bert"
    processor = transformers.Wav2Vec2BertProcessor if is_bert else transformers.Wav2Vec2Processor
    model.save_pretrained(folder)
    processor(extractor, tokenizer).save_pretrained(folder)


def make_checkpoints(folder: Path) -> None:
    """Write all checkpoints, with the same weights at every call."""
    sizes = {**SIZES, "vocab_size": len(TOKENS)}
    bert = {**sizes, "layerdrop": 0.0}
    waveform = sizes | CONVOLUTIONS
    layer_norm = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    checkpoints = {
        # folder: model type, configuration, feature extractor
        "w2v-bert": ("Wav2Vec2Bert", bert, transformers.SeamlessM4TFeatureExtractor()),
        "w2v-bert-adapter": (
            "Wav2Vec2Bert",
            {**bert, "add_adapter": True, "output_hidden_size": 32},
            transformers.SeamlessM4TFeatureExtractor(padding_value=1.0),
        ),
        "wav2vec2": ("Wav2Vec2", waveform, transformers.Wav2Vec2FeatureExtractor()),
        "xlsr": ("Wav2Vec2", waveform | layer_norm, transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)),
        "hubert": ("Hubert", waveform, transformers.Wav2Vec2FeatureExtractor(do_normalize=False)),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, (kind, settings, extractor) in checkpoints.items():
            model = getattr(transformers, f"{kind}ForCTC")(getattr(transformers, f"{kind}Config")(**settings))
            save_checkpoint(model, extractor, folder / name)


if __name__ == "__main__":
    make_checkpoints(Path(sys.argv[1]))
