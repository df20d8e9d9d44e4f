"""Makes CTC checkpoints of a few random weights, in the layout of published ones.

    python -m tests.support.tiny_ctc FOLDER

writes FOLDER/w2v-bert, FOLDER/w2v-bert-adapter, and, which take waveforms, FOLDER/wav2vec2, FOLDER/xlsr (layer
normalisation, and a mask), FOLDER/hubert. Their heads are loud, so that each frame has something to say, and never
write a special token.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLU'")
SPECIAL = (1, 2, 3)
LOUDNESS = 30.0
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


def make_tokenizer(folder: Path) -> transformers.Wav2Vec2CTCTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(TOKENS)}))
    return transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))


def save(model: torch.nn.Module, extractor: object, folder: Path) -> None:
    with torch.no_grad():
        model.lm_head.weight *= LOUDNESS
        model.lm_head.bias[list(SPECIAL)] = -1000.0
    tokenizer = make_tokenizer(folder)
    of_bert = model.config.model_type == "wav2vec2-bert"
    processor = transformers.Wav2Vec2BertProcessor if of_bert else transformers.Wav2Vec2Processor
    model.save_pretrained(folder)
    processor(extractor, tokenizer).save_pretrained(folder)


def make_checkpoints(folder: Path) -> None:
    sizes = {**SIZES, "vocab_size": len(TOKENS)}
    waveform = sizes | CONVOLUTIONS
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bert = transformers.Wav2Vec2BertConfig(**sizes, layerdrop=0.0)
        save(transformers.Wav2Vec2BertForCTC(bert), transformers.SeamlessM4TFeatureExtractor(), folder / "w2v-bert")
        bert = transformers.Wav2Vec2BertConfig(**sizes, layerdrop=0.0, add_adapter=True, output_hidden_size=32)
        save(
            transformers.Wav2Vec2BertForCTC(bert),
            transformers.SeamlessM4TFeatureExtractor(padding_value=1.0),
            folder / "w2v-bert-adapter",
        )
        config = transformers.Wav2Vec2Config(**waveform)
        save(transformers.Wav2Vec2ForCTC(config), transformers.Wav2Vec2FeatureExtractor(), folder / "wav2vec2")
        config = transformers.Wav2Vec2Config(**waveform, feat_extract_norm="layer", do_stable_layer_norm=True)
        extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
        save(transformers.Wav2Vec2ForCTC(config), extractor, folder / "xlsr")
        config = transformers.HubertConfig(**waveform)
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False)
        save(transformers.HubertForCTC(config), extractor, folder / "hubert")


if __name__ == "__main__":
    make_checkpoints(Path(sys.argv[1]))
