"""The code of transformers' guides to audio classification and speech recognition, for a Wav2Vec2-BERT.

The checkpoint and its `input_features` take the place of wav2vec 2.0 and its `input_values`. Trainings have one or two
steps, without evaluation, which would need another library.
"""

import numpy as np
import transformers

import photism
from photism import load_waveform
from tests.documents.conftest import run

CLASSIFICATION = """
from datasets import load_dataset, Audio

minds = load_dataset("PolyAI/minds14", name="en-US", split="train")
minds = minds.train_test_split(test_size=0.2)
minds = minds.remove_columns(["path", "transcription", "english_transcription", "lang_id"])

labels = minds["train"].features["intent_class"].names
label2id, id2label = dict(), dict()
for i, label in enumerate(labels):
    label2id[label] = str(i)
    id2label[str(i)] = label

from transformers import AutoFeatureExtractor

feature_extractor = AutoFeatureExtractor.from_pretrained("facebook/w2v-bert-2.0")

minds = minds.cast_column("audio", Audio(sampling_rate=16_000))

def preprocess_function(examples):
    audio_arrays = [x["array"] for x in examples["audio"]]
    inputs = feature_extractor(
        audio_arrays, sampling_rate=feature_extractor.sampling_rate, max_length=16000, truncation=True
    )
    return inputs

encoded_minds = minds.map(preprocess_function, remove_columns="audio", batched=True)
encoded_minds = encoded_minds.rename_column("intent_class", "label")

from transformers import AutoModelForAudioClassification
from transformers import TrainingArguments, Trainer

num_labels = len(id2label)
model = AutoModelForAudioClassification.from_pretrained(
    "facebook/w2v-bert-2.0", num_labels=num_labels, label2id=label2id, id2label=id2label
)

training_args = TrainingArguments(
    output_dir="my_awesome_mind_model",
    learning_rate=3e-5,
    per_device_train_batch_size=32,
    num_train_epochs=1,
    save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
)

trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=encoded_minds["train"],
    eval_dataset=encoded_minds["test"],
    processing_class=feature_extractor,
)

trainer.train()
trainer.save_model()
"""
RECOGNITION = """
from datasets import load_dataset, Audio

minds = load_dataset("PolyAI/minds14", name="en-US", split="train[:100]")
minds = minds.remove_columns(["english_transcription", "intent_class", "lang_id"])

from transformers import AutoProcessor

processor = AutoProcessor.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")

minds = minds.cast_column("audio", Audio(sampling_rate=16_000))

def uppercase(example):
    return {"transcription": example["transcription"].upper()}

minds = minds.map(uppercase)

def prepare_dataset(batch):
    audio = batch["audio"]
    batch = processor(audio["array"], sampling_rate=audio["sampling_rate"], text=batch["transcription"])
    batch["input_length"] = len(batch["input_features"][0])
    return batch

encoded_minds = minds.map(prepare_dataset, remove_columns=minds.column_names)

import torch

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Union

@dataclass
class DataCollatorCTCWithPadding:
    processor: AutoProcessor
    padding: Union[bool, str] = "longest"

    def __call__(self, features: list[dict[str, Union[list[int], torch.Tensor]]]) -> dict[str, torch.Tensor]:
        # split inputs and labels since they have to be of different lengths and need
        # different padding methods
        input_features = [{"input_features": feature["input_features"][0]} for feature in features]
        label_features = [{"input_ids": feature["labels"]} for feature in features]

        batch = self.processor.pad(input_features, padding=self.padding, return_tensors="pt")

        labels_batch = self.processor.pad(labels=label_features, padding=self.padding, return_tensors="pt")

        # replace padding with -100 to ignore loss correctly
        labels = labels_batch["input_ids"].masked_fill(labels_batch.attention_mask.ne(1), -100)

        batch["labels"] = labels

        return batch

data_collator = DataCollatorCTCWithPadding(processor=processor, padding="longest")

from transformers import AutoModelForCTC
from transformers import TrainingArguments, Trainer

model = AutoModelForCTC.from_pretrained(
    "hf-audio/wav2vec2-bert-CV16-en",
    ctc_loss_reduction="mean",
    pad_token_id=processor.tokenizer.pad_token_id,
)

training_args = TrainingArguments(
    output_dir="my_awesome_asr_mind_model",
    per_device_train_batch_size=1,
    gradient_accumulation_steps=2,
    learning_rate=1e-5,
    max_steps=2,
    gradient_checkpointing=True,
    train_sampling_strategy="group_by_length",
    save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
)

trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=encoded_minds,
    processing_class=processor,
    data_collator=data_collator,
)

trainer.train()
trainer.save_model()
"""


def test_audio_classification(recordings):
    model = run(CLASSIFICATION, changed=True)["model"]
    assert type(model) is photism.Wav2Vec2BertForSequenceClassification
    samples = load_waveform(recordings[0]).samples
    ours, theirs = (
        library.pipeline("audio-classification", model="my_awesome_mind_model")(samples.copy())
        for library in (photism, transformers)
    )
    assert [each["label"] for each in ours] == [each["label"] for each in theirs]
    np.testing.assert_allclose([each["score"] for each in ours], [each["score"] for each in theirs], atol=1e-4)
    assert {each["label"] for each in ours} == {"abroad", "address"}


def test_speech_recognition(recordings):
    model = run(RECOGNITION, changed=True)["model"]
    assert type(model) is photism.Wav2Vec2BertForCTC
    samples = load_waveform(recordings[0]).samples
    ours, theirs = (
        library.pipeline("automatic-speech-recognition", model="my_awesome_asr_mind_model")(samples.copy())
        for library in (photism, transformers)
    )
    assert ours == theirs
    assert len(ours["text"]) > 10
