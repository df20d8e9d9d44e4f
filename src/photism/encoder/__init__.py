"""The audio encoder Wav2Vec2-BERT and its heads: transformers' configuration and checkpoints, our own modelling."""

from transformers import Wav2Vec2BertConfig

from photism.encoder.adapter import Adapter
from photism.encoder.auto import register_auto_classes
from photism.encoder.heads import (
    Wav2Vec2BertForAudioFrameClassification,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertForSequenceClassification,
)
from photism.encoder.long import LongEncoding, encode_long, longest_exact
from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel
from photism.encoder.processor import Wav2Vec2BertFeatureExtractor, Wav2Vec2BertProcessor
from photism.encoder.x_vector import Wav2Vec2BertForXVector

__all__ = [
    "Adapter",
    "LongEncoding",
    "Wav2Vec2BertConfig",
    "Wav2Vec2BertFeatureExtractor",
    "Wav2Vec2BertForAudioFrameClassification",
    "Wav2Vec2BertForCTC",
    "Wav2Vec2BertForSequenceClassification",
    "Wav2Vec2BertForXVector",
    "Wav2Vec2BertModel",
    "Wav2Vec2BertPreTrainedModel",
    "Wav2Vec2BertProcessor",
    "encode_long",
    "longest_exact",
    "register_auto_classes",
]
