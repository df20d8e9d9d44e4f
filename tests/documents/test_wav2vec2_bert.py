"""The code of transformers' documentation page of Wav2Vec2-BERT, run with both libraries."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers

import photism
from tests.documents.conftest import TEXTS, run

CONFIGURATION = """
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

# Initializing a Wav2Vec2Bert facebook/wav2vec2-bert-rel-pos-large style configuration
configuration = Wav2Vec2BertConfig()

# Initializing a model (with random weights) from the facebook/wav2vec2-bert-rel-pos-large style configuration
model = Wav2Vec2BertModel(configuration)

# Accessing the model configuration
configuration = model.config
"""
DATA = """
from datasets import load_dataset
import torch

dataset = load_dataset("hf-internal-testing/librispeech_asr_demo", "clean", split="validation")
dataset = dataset.sort("id")
sampling_rate = dataset.features["audio"].sampling_rate
"""
MODEL = """
from transformers import AutoProcessor, Wav2Vec2BertModel
processor = AutoProcessor.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")
model = Wav2Vec2BertModel.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")

# audio file is decoded on the fly
inputs = processor(dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs)

last_hidden_states = outputs.last_hidden_state
shape = list(last_hidden_states.shape)
"""
CTC = """
from transformers import AutoProcessor, Wav2Vec2BertForCTC
processor = AutoProcessor.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")
model = Wav2Vec2BertForCTC.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")

# audio file is decoded on the fly
inputs = processor(dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
predicted_ids = torch.argmax(logits, dim=-1)

# transcribe speech
transcription = processor.batch_decode(predicted_ids)

inputs["labels"] = processor(text=dataset[0]["text"], return_tensors="pt").input_ids

# compute loss
loss = model(**inputs).loss
"""
LOAD_HEAD = """
from transformers import AutoFeatureExtractor, Wav2Vec2BertFor{head}
feature_extractor = AutoFeatureExtractor.from_pretrained("facebook/w2v-bert-2.0")
model = Wav2Vec2BertFor{head}.from_pretrained("facebook/w2v-bert-2.0")
"""
USE_HEAD = {
    "SequenceClassification": """
# audio file is decoded on the fly
inputs = feature_extractor(dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt")

with torch.no_grad():
    logits = model(**inputs).logits

predicted_class_ids = torch.argmax(logits, dim=-1).item()
predicted_label = model.config.id2label[predicted_class_ids]

# compute loss - target_label is e.g. "down"
target_label = model.config.id2label[0]
inputs["labels"] = torch.tensor([model.config.label2id[target_label]])
loss = model(**inputs).loss
""",
    "AudioFrameClassification": """
# audio file is decoded on the fly
inputs = feature_extractor(dataset[0]["audio"]["array"], return_tensors="pt", sampling_rate=sampling_rate)
with torch.no_grad():
    logits = model(**inputs).logits

probabilities = torch.sigmoid(logits[0])
# labels is a one-hot array of shape (num_frames, num_speakers)
labels = (probabilities > 0.5).long()
first = labels[0].tolist()
""",
    "XVector": """
# audio file is decoded on the fly
inputs = feature_extractor(
    [d["array"] for d in dataset[:2]["audio"]], sampling_rate=sampling_rate, return_tensors="pt", padding=True
)
with torch.no_grad():
    embeddings = model(**inputs).embeddings

embeddings = torch.nn.functional.normalize(embeddings, dim=-1).cpu()

# the resulting embeddings can be used for cosine similarity-based retrieval
cosine_sim = torch.nn.CosineSimilarity(dim=-1)
similarity = cosine_sim(embeddings[0], embeddings[1])
threshold = 0.7  # the optimal threshold is dataset-dependent
if similarity < threshold:
    print("Speakers are not the same!")
""",
}
PROCESSOR = """
from transformers import AutoProcessor
processor = AutoProcessor.from_pretrained("hf-audio/wav2vec2-bert-CV16-en")
"""


def run_both(code: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run an example with our import and with that of transformers, after loading its data."""
    return run(DATA + code, changed=True), run(DATA + code)


def close(ours: torch.Tensor, theirs: torch.Tensor, atol: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def test_a_model_of_the_default_configuration():
    with torch.device("meta"):
        names = run(CONFIGURATION, changed=True)
    assert type(names["model"]) is photism.Wav2Vec2BertModel
    assert names["configuration"] is names["model"].config
    assert sum(parameter.numel() for parameter in names["model"].parameters()) == 580_493_120


def test_the_hidden_states_of_a_recording():
    ours, theirs = run_both(MODEL)
    assert type(ours["processor"]) is photism.Wav2Vec2BertProcessor
    assert type(ours["model"]) is photism.Wav2Vec2BertModel
    assert ours["shape"] == theirs["shape"] == [1, 146, 32]
    close(ours["last_hidden_states"], theirs["last_hidden_states"], 1e-3)


def test_a_transcript_and_its_loss():
    ours, theirs = run_both(CTC)
    assert type(ours["model"]) is photism.Wav2Vec2BertForCTC
    assert ours["transcription"] == theirs["transcription"]
    assert len(ours["transcription"][0]) > 10
    assert ours["loss"].item() == pytest.approx(theirs["loss"].item(), rel=1e-5)


@pytest.mark.parametrize("head", USE_HEAD)
def test_a_head_on_a_checkpoint_without_one(head):
    ours, theirs = run_both(LOAD_HEAD.format(head=head))
    assert type(ours["model"]) is getattr(photism, f"Wav2Vec2BertFor{head}")
    assert type(ours["feature_extractor"]) is photism.Wav2Vec2BertFeatureExtractor
    ours["model"].load_state_dict(theirs["model"].state_dict())  # both initialise their heads at random
    ours, theirs = run(USE_HEAD[head], **ours), run(USE_HEAD[head], **theirs)
    if head == "XVector":
        # transformers pools outputs from padding too, so the shorter recording differs: docs/differences.md.
        close(ours["embeddings"][0], theirs["embeddings"][0], 1e-4)
        return
    close(ours["logits"], theirs["logits"], 1e-4)
    if head == "SequenceClassification":
        assert ours["predicted_label"] == theirs["predicted_label"]
        close(ours["loss"], theirs["loss"], 1e-4)
    else:
        assert ours["first"] == theirs["first"]
        assert ours["labels"].shape == (292, 2)


NOISE = 0.1 * np.random.default_rng(0).standard_normal((2, 16_000), dtype=np.float32)
WORDS = [["MR", "QUILTER"], ["NOR", "IS", "MISTER"]]


@pytest.fixture(scope="module")
def processors():
    return run(PROCESSOR, changed=True)["processor"], run(PROCESSOR)["processor"]


@pytest.mark.parametrize(
    "call",
    [
        {"audio": NOISE[0]},
        {"audio": torch.from_numpy(NOISE[0])},
        {"audio": [NOISE[0], NOISE[1, :9000]]},
        {"audio": [torch.from_numpy(NOISE[0]), torch.from_numpy(NOISE[1, :9000])]},
        {"audio": NOISE[:1]},  # (C, T), as torchaudio.load returns it
        {"audio": [NOISE, NOISE[:, :9000]]},
        {"audio": NOISE[0], "padding": "max_length", "max_length": 375, "truncation": True},
        {"audio": NOISE[0], "padding": "max_length", "max_length": 50, "truncation": True},
        {"audio": [NOISE[0], NOISE[1, :9000]], "padding": "longest", "pad_to_multiple_of": 16},
        {"audio": [NOISE[0], NOISE[1, :9000]], "padding": True, "return_attention_mask": False},
        {"audio": NOISE[0], "do_normalize_per_mel_bins": False},
        {"text": TEXTS[0]},
        {"text": list(TEXTS), "padding": True},
        {"text": WORDS, "is_split_into_words": True, "padding": True},
        {"audio": NOISE[0], "text": TEXTS[0]},
        {"audio": [NOISE[0], NOISE[1, :9000]], "text": list(TEXTS), "padding": True},
    ],
)
def test_the_documented_arguments_of_the_processor(processors, call):
    rate = {"sampling_rate": 16_000} if "audio" in call else {}
    ours, theirs = (each(**call, **rate, return_tensors="pt") for each in processors)
    assert set(ours) == set(theirs)
    for key in theirs:
        torch.testing.assert_close(ours[key].to(theirs[key].dtype), theirs[key], rtol=0, atol=1e-3)


def test_pad_decode_and_save(processors, tmp_path):
    """`pad` as the data collator of the fine-tuning notebooks calls it."""
    for each in processors:
        assert each.model_input_names == ["input_features", "attention_mask", "labels"]
    features = [
        {"input_features": processors[1](audio=NOISE[0, :length], sampling_rate=16_000).input_features[0]}
        for length in (16_000, 9_000)
    ]
    labels = [{"input_ids": processors[1](text=text).input_ids} for text in TEXTS]
    ours, theirs = (
        each.pad(input_features=features, labels=labels, padding=True, max_length=None, return_tensors="pt")
        for each in processors
    )
    assert set(ours) == set(theirs)
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], check_dtype=False)
    ids = torch.tensor([[5, 5, 0, 6, 4, 7], [8, 0, 8, 1, 2, 3]])
    for arguments in ({}, {"skip_special_tokens": True}, {"group_tokens": False}, {"output_char_offsets": True}):
        assert processors[0].batch_decode(ids, **arguments) == processors[1].batch_decode(ids, **arguments)
        assert processors[0].decode(ids[0], **arguments) == processors[1].decode(ids[0], **arguments)
    processors[0].save_pretrained(tmp_path, push_to_hub=False)
    again = photism.Wav2Vec2BertProcessor.from_pretrained(tmp_path)
    torch.testing.assert_close(
        again(NOISE[0], sampling_rate=16_000, return_tensors="pt").input_features,
        processors[0](NOISE[0], sampling_rate=16_000, return_tensors="pt").input_features,
    )


@pytest.mark.parametrize("positions", ["rotary", "relative", "relative_key", None])
def test_the_documented_arguments_and_fields_of_forward(positions):
    """Each `config.position_embeddings_type`, with hidden states and attentions, as an object and as a tuple."""
    features = torch.randn(2, 30, 160, generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(30) < torch.tensor([[30], [21]])).long()
    models = [
        run(
            'model = Wav2Vec2BertModel.from_pretrained("facebook/w2v-bert-2.0", position_embeddings_type=positions)',
            Wav2Vec2BertModel=library.Wav2Vec2BertModel,
            positions=positions,
        )["model"]
        for library in (photism, transformers)
    ]
    models[0].load_state_dict(models[1].state_dict())
    models[1].set_attn_implementation("eager")  # the only one with which transformers returns attentions
    arguments = {"attention_mask": mask, "output_attentions": True, "output_hidden_states": True}
    with torch.no_grad():
        ours, theirs = (model(features, **arguments) for model in models)
        as_tuple = models[0](features, **arguments, return_dict=False)
    assert list(ours) == list(theirs) == ["last_hidden_state", "extract_features", "hidden_states", "attentions"]
    shown = mask.bool()
    close(ours.last_hidden_state[shown], theirs.last_hidden_state[shown], 1e-4)
    close(ours.extract_features[shown], theirs.extract_features[shown], 1e-4)
    assert len(ours.hidden_states) == len(theirs.hidden_states) == 3
    for mine, other in zip(ours.attentions, theirs.attentions, strict=True):
        close(mine[0], other[0], 1e-4)  # rows of padding are zero
    assert torch.equal(as_tuple[0], ours[0])


def test_the_configuration_chooses_tuples_and_hidden_states():
    """`config.return_dict` and `config.output_hidden_states`, and mask_time_indices, which hides inputs."""
    features = torch.randn(1, 30, 160, generator=torch.Generator().manual_seed(0))
    hidden = torch.arange(30)[None] < 10
    outputs = []
    for library in (photism, transformers):
        model = library.Wav2Vec2BertModel.from_pretrained("facebook/w2v-bert-2.0", output_hidden_states=True)
        model.config.return_dict = False
        with torch.no_grad():
            outputs.append(model(features, mask_time_indices=hidden))
            assert not torch.allclose(model(features)[0], outputs[-1][0])
    ours, theirs = outputs
    assert type(ours) is type(theirs) is tuple
    close(ours[0], theirs[0], 1e-4)
    for mine, other in zip(ours[2], theirs[2], strict=True):
        close(mine, other, 1e-4)
