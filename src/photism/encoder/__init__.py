"""The audio encoder Wav2Vec2-BERT, its adapter and its configuration. This is the one place they are imported from."""

from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertAdapter

__all__ = ["Wav2Vec2BertAdapter", "Wav2Vec2BertConfig", "Wav2Vec2BertModel"]
