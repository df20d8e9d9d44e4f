"""Register Photism's models with the Auto classes of transformers, on request."""

import transformers
from transformers import Wav2Vec2BertConfig

from photism.encoder import heads, model, x_vector


def register_auto_classes() -> None:
    """Make `AutoModel.from_pretrained` and the other Auto classes load Wav2Vec2-BERT with Photism's classes.

    This holds for the rest of the process.
    """
    for auto, ours in (
        (transformers.AutoModel, model.Wav2Vec2BertModel),
        (transformers.AutoModelForCTC, heads.Wav2Vec2BertForCTC),
        (transformers.AutoModelForAudioClassification, heads.Wav2Vec2BertForSequenceClassification),
        (transformers.AutoModelForAudioFrameClassification, heads.Wav2Vec2BertForAudioFrameClassification),
        (transformers.AutoModelForAudioXVector, x_vector.Wav2Vec2BertForXVector),
    ):
        auto.register(Wav2Vec2BertConfig, ours, exist_ok=True)
