"""Common uses of a transformers model: pipelines, Trainer, PEFT, torch.compile, ONNX, the hub."""

import json

import numpy as np
import onnxruntime
import peft
import pytest
import torch
import transformers
from transformers import Trainer, TrainingArguments

import photism
from photism.encoder.processor import Wav2Vec2BertFeatureExtractor, Wav2Vec2BertProcessor
from tests.encoder.reference import CLASSES, TOLERANCE, batch, difference, pair, tiny_config
from tests.support.parameters import mostly_slow


@pytest.mark.parametrize("name", CLASSES)
def test_checkpoints_load_in_both_directions(name, tmp_path):
    ours, reference = pair(name)
    assert ours.state_dict().keys() == reference.state_dict().keys()
    ours.save_pretrained(tmp_path / "ours")
    reference.save_pretrained(tmp_path / "reference")
    loaded = {}
    for kind, folder in ((ours, "reference"), (reference, "ours")):
        model, report = type(kind).from_pretrained(tmp_path / folder, output_loading_info=True)
        assert not any(report.values()), report
        loaded[folder] = model
    for key, value in ours.state_dict().items():
        assert torch.equal(loaded["reference"].state_dict()[key], value)
        assert torch.equal(loaded["ours"].state_dict()[key], value)


def test_a_base_checkpoint_loads_into_a_head_and_back(tmp_path):
    base, _ = pair("Model")
    base.save_pretrained(tmp_path / "base")
    head = photism.Wav2Vec2BertForCTC.from_pretrained(tmp_path / "base")
    head.save_pretrained(tmp_path / "head")
    again = photism.Wav2Vec2BertModel.from_pretrained(tmp_path / "head")
    for key, value in base.state_dict().items():
        assert torch.equal(head.wav2vec2_bert.state_dict()[key], value)
        assert torch.equal(again.state_dict()[key], value)


def test_parameter_names_and_shapes_are_those_of_the_published_model():
    """facebook/w2v-bert-2.0: 580.5 M parameters under these names."""
    with torch.device("meta"):
        model = photism.Wav2Vec2BertModel(transformers.Wav2Vec2BertConfig())
        reference = transformers.Wav2Vec2BertModel(transformers.Wav2Vec2BertConfig())
    shapes = {key: value.shape for key, value in reference.state_dict().items()}
    assert {key: value.shape for key, value in model.state_dict().items()} == shapes
    assert sum(p.numel() for p in model.parameters()) == 24 * 24_180_288 + 166_208


def tokenizer(folder):
    (folder / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(["<pad>", "|", "<unk>", *"abcdefgh"])}))
    return transformers.Wav2Vec2CTCTokenizer(folder / "vocab.json", pad_token="<pad>", unk_token="<unk>")


def full_width(name):
    """Return a pair of models for real features, which have 160 values."""
    return pair(name, feature_projection_input_dim=160)


def test_pipelines(tmp_path):
    recording = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    for name, task in (
        ("ForSequenceClassification", "audio-classification"),
        ("ForCTC", "automatic-speech-recognition"),
    ):
        answers = []
        for model, extractor in zip(
            full_width(name), (Wav2Vec2BertFeatureExtractor(), transformers.SeamlessM4TFeatureExtractor()), strict=True
        ):
            arguments = {"tokenizer": tokenizer(tmp_path)} if name == "ForCTC" else {}
            run = transformers.pipeline(task, model=model, feature_extractor=extractor, **arguments)
            answers.append(run({"raw": recording.copy(), "sampling_rate": 16_000}))
        if name == "ForCTC":
            assert answers[0]["text"] == answers[1]["text"]
        else:
            assert [a["label"] for a in answers[0]] == [a["label"] for a in answers[1]]
            np.testing.assert_allclose([a["score"] for a in answers[0]], [a["score"] for a in answers[1]], atol=1e-5)


def test_the_feature_extractor_is_saved_as_transformers(tmp_path):
    ours = Wav2Vec2BertFeatureExtractor(padding_value=1.0)
    ours.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert saved["feature_extractor_type"] == "SeamlessM4TFeatureExtractor"
    assert "device" not in saved
    theirs = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    assert type(theirs) is transformers.SeamlessM4TFeatureExtractor
    again = Wav2Vec2BertFeatureExtractor.from_pretrained(tmp_path)
    assert again.padding_value == 1.0
    noise = np.random.default_rng(1)
    recordings = [noise.standard_normal(n).astype(np.float32) * 0.1 for n in (16_000, 9_999)]
    wanted = theirs(recordings, sampling_rate=16_000, return_tensors="pt")
    found = again(recordings, sampling_rate=16_000, return_tensors="pt")
    torch.testing.assert_close(found.input_features, wanted.input_features, atol=1e-4, rtol=0)
    assert torch.equal(found.attention_mask, wanted.attention_mask)


def test_the_processor_returns_features_and_labels(tmp_path):
    processor = Wav2Vec2BertProcessor(transformers.SeamlessM4TFeatureExtractor(), tokenizer(tmp_path))
    recording = np.zeros(8000, np.float32)
    made = processor(audio=recording, text="abba", sampling_rate=16_000, return_tensors="pt")
    assert made["input_features"].shape == (1, 24, 160)
    assert made["labels"].tolist() == [[3, 4, 4, 3]]
    processor.save_pretrained(tmp_path / "saved")
    again = Wav2Vec2BertProcessor.from_pretrained(tmp_path / "saved")
    assert type(again.feature_extractor) is Wav2Vec2BertFeatureExtractor


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ForSequenceClassification", {}),
        ("ForCTC", {"ctc_loss_reduction": "mean"}),
        ("ForCTC", {"ctc_loss_reduction": "sum"}),
    ],
)
def test_trainer_with_accumulated_gradients(name, changes, tmp_path):
    """Two accumulated halves of a batch give the same step as the whole batch: sums are added up, means averaged."""
    features, _ = batch((9, 9, 9, 9))
    labels = torch.tensor([[1, 2], [3, 4], [5, -100], [6, 7]]) if name == "ForCTC" else torch.arange(4)
    rows = [{"input_features": f, "labels": label} for f, label in zip(features, labels, strict=True)]
    weights = []
    for size, accumulate in ((4, 1), (2, 2)):
        model, _ = pair(name, **changes)
        arguments = TrainingArguments(
            str(tmp_path / str(size)),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulate,
            max_steps=1,
            optim="sgd",
            learning_rate=0.1,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
        )
        Trainer(model, arguments, train_dataset=rows).train()
        head = model.lm_head if name == "ForCTC" else model.classifier
        weights.append(head.weight.detach())
    torch.testing.assert_close(*weights)


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_keeps_the_gradients(reentrant):
    features, mask = batch((15, 8))
    gradients = []
    for checkpointing in (False, True):
        model, _ = pair("ForSequenceClassification")
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        model.train()(features, attention_mask=mask, labels=torch.tensor([1, 2])).loss.backward()
        gradients.append({key: p.grad for key, p in model.named_parameters()})
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient)


def test_lora():
    model, _ = pair("ForXVector")
    features, mask = batch((15, 11))
    before = model(features, attention_mask=mask).embeddings
    targets = ["linear_q", "linear_v", "pointwise_conv1", "intermediate_dense", "kernel"]
    lora = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=True))
    torch.testing.assert_close(lora(features, attention_mask=mask).embeddings, before, atol=1e-4, rtol=1e-4)
    lora(features, attention_mask=mask, labels=torch.tensor([0, 1])).loss.backward()
    for target in targets:
        gradients = [p.grad for key, p in lora.named_parameters() if target in key and "lora_B" in key]
        assert gradients, target
        assert all(gradient is not None and gradient.any() for gradient in gradients), target


@pytest.mark.parametrize("positions", mostly_slow(["relative_key", "relative", "rotary", None], "relative_key"))
def test_compiled(positions):
    model, _ = pair("Model", position_embeddings_type=positions, num_hidden_layers=1)
    features, mask = batch((17, 9))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        wanted = model(features, attention_mask=mask).last_hidden_state
        found = compiled(features, attention_mask=mask).last_hidden_state
    assert difference(found, wanted) <= TOLERANCE[torch.float32]


@pytest.mark.slow
def test_onnx(tmp_path):
    model, _ = pair("ForCTC", num_hidden_layers=2)
    features, mask = batch((17, 9))
    path = tmp_path / "model.onnx"
    dynamic = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        model,
        (features, mask),
        path,
        input_names=["input_features", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes={"input_features": {0: dynamic, 1: dynamic}, "attention_mask": {0: dynamic, 1: dynamic}},
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path)
    for lengths in ((17, 9), (30, 12, 5)):
        features, mask = batch(lengths)
        with torch.no_grad():
            wanted = model(features, attention_mask=mask).logits
        found = torch.from_numpy(
            session.run(["logits"], {"input_features": features.numpy(), "attention_mask": mask.numpy()})[0]
        )
        assert difference(found[mask.bool()], wanted[mask.bool()]) <= 1e-4


def test_device_map(tmp_path):
    model, _ = pair("ForCTC")
    model.save_pretrained(tmp_path)
    offloaded = photism.Wav2Vec2BertForCTC.from_pretrained(
        tmp_path,
        device_map={"wav2vec2_bert": "cpu", "dropout": "cpu", "lm_head": "disk"},
        offload_folder=str(tmp_path / "offload"),
    )
    features, mask = batch((12, 7))
    with torch.no_grad():
        assert torch.equal(offloaded(features, attention_mask=mask).logits, model(features, attention_mask=mask).logits)


def test_files_that_are_pushed_to_the_hub(tmp_path):
    model, _ = pair("ForCTC")
    model.save_pretrained(tmp_path)
    Wav2Vec2BertProcessor(Wav2Vec2BertFeatureExtractor(), tokenizer(tmp_path)).save_pretrained(tmp_path)
    assert {"config.json", "model.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["Wav2Vec2BertForCTC"]
    assert config["model_type"] == tiny_config().model_type == "wav2vec2-bert"
    assert type(transformers.AutoProcessor.from_pretrained(tmp_path)) is transformers.Wav2Vec2BertProcessor
