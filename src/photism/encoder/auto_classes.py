"""transformers' AutoModel and its kin, told of our models: on request, never on import."""

import transformers
from transformers import Wav2Vec2BertConfig

from photism.encoder import heads, model, x_vector


def register_auto_classes() -> None:
    """Makes `AutoModel.from_pretrained` and the others load a Wav2Vec2-BERT as ours, in this process from now on."""
    for auto, ours in (
        (transformers.AutoModel, model.Wav2Vec2BertModel),
        (transformers.AutoModelForCTC, heads.Wav2Vec2BertForCTC),
        (transformers.AutoModelForAudioClassification, heads.Wav2Vec2BertForSequenceClassification),
        (transformers.AutoModelForAudioFrameClassification, heads.Wav2Vec2BertForAudioFrameClassification),
        (transformers.AutoModelForAudioXVector, x_vector.Wav2Vec2BertForXVector),
    ):
        auto.register(Wav2Vec2BertConfig, ours, exist_ok=True)
