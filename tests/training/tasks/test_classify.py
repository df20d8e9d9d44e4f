"""`photism finetune classify` as users run it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from photism.audio.waveform import load_waveform
from photism.cli.app import main
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.encoder.processor import Wav2Vec2BertFeatureExtractor
from photism.errors import InputError
from photism.hub import bundled_model
from photism.listening.classification import AudioClassifier
from photism.settings import read_settings
from photism.training.logging import Listener
from photism.training.run import train
from photism.training.settings import ClassifySettings
from photism.training.tasks.classify import ClassifyTask, classes_of_row


def log_of(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(classed, few_steps, tmp_path_factory, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTISM_CACHE", str(cache))
        output = tmp_path_factory.mktemp("trained") / "model"
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in few_steps.items() if name != "cpu"]
        patch.setattr(
            sys, "argv", ["photism", "finetune", "classify", str(classed), "-o", str(output), "--cpu", *flags]
        )
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    return output


def test_from_folders_to_a_model_with_a_card(trained):
    assert [row["step"] for row in log_of(trained)] == [1, 2, 3, 4, 5, 6]
    measures = [json.loads(line) for line in (trained / "measures.jsonl").read_text().splitlines()]
    assert [row["step"] for row in measures] == [0, 3, 6]
    assert {"accuracy", "F1"} <= set(measures[0])
    card = (trained / "README.md").read_text()
    for text in ("pipeline_tag: audio-classification", "bell 6, drum 6, horn 6", "| accuracy |", "(confusion.png)"):
        assert text in card
    assert set(json.loads((trained / "report.json").read_text())) == {"sounds", "task", "notes"}
    assert Image.open(trained / "confusion.png").size[0] > 300
    assert json.loads((trained / "config.json").read_text())["id2label"] == {"0": "bell", "1": "drum", "2": "horn"}


def test_transformers_loads_the_result_and_agrees(trained, classed):
    samples = load_waveform(classed / "test" / "bell" / "7.wav").samples[: 400 + 39 * 160]  # an even number of frames
    with torch.no_grad():
        inputs = AutoFeatureExtractor.from_pretrained(trained)(samples, sampling_rate=16_000, return_tensors="pt")
        theirs = AutoModelForAudioClassification.from_pretrained(trained).eval()(**inputs).logits
        features = Wav2Vec2BertFeatureExtractor.from_pretrained(trained)(samples, return_tensors="pt")
        model = Wav2Vec2BertForSequenceClassification.from_pretrained(trained).eval()
        ours = model(features["input_features"], features["attention_mask"]).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    labels = AudioClassifier.from_pretrained(trained, device="cpu", top_k=3)(samples)
    expected = dict(zip(("bell", "drum", "horn"), ours[0].softmax(-1).tolist(), strict=True))
    assert {each["label"]: each["score"] for each in labels} == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow  # tests/training/test_trainer.py continues an interrupted training to the same weights
def test_a_kill_does_not_change_the_weights(trained, classed, few_steps, run, cache, tmp_path):
    output = tmp_path / "killed"
    settings = ClassifySettings(data=str(classed), output=str(output), checkpoint_every_s=0.0, **few_steps)
    program = "import sys\nfrom photism.training.run import *\ntrain(ClassifySettings(**eval(sys.argv[1])))"
    environment = {**os.environ, "PHOTISM_CACHE": str(cache)}
    process = subprocess.Popen([sys.executable, "-c", program, repr(vars(settings))], env=environment)
    while process.poll() is None and not list(output.glob("checkpoints/*1")):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "model.safetensors").exists()
    run(settings, resume=True)
    assert log_of(output) == log_of(trained)
    torch.testing.assert_close(
        load_file(output / "model.safetensors"), load_file(trained / "model.safetensors"), atol=0, rtol=0
    )


@pytest.mark.slow
def test_fsdp_on_two_processes_is_equal_to_one_process(trained, cache, tmp_path):
    output = tmp_path / "both"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "photism"]
    given = ["finetune", "classify", "--config", str(trained / "finetune.yaml"), "-o", str(output), "--fsdp"]
    environment = {**os.environ, "PHOTISM_CACHE": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    data = read_settings(ClassifySettings, trained / "finetune.yaml", {}).data
    done = subprocess.run([sys.executable, *launcher, *given, data], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, expected = (load_file(folder / "model.safetensors") for folder in (output, trained))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert log_of(output)[-1] == pytest.approx(log_of(trained)[-1], rel=1e-3, abs=1e-5)


def test_from_the_bundled_model_with_a_frozen_encoder(classed, few_steps, run, tmp_path):
    output = tmp_path / "model"
    changed = {**few_steps, "encoder": "tiny", "frozen_layers": -1, "epochs": 1.0, "balance": True}
    run(ClassifySettings(data=str(classed), output=str(output), weighted_layer_sum=True, dtype="float16", **changed))
    found, before = load_file(output / "model.safetensors"), load_file(bundled_model() / "model.safetensors")
    for name, tensor in found.items():
        if name.startswith("wav2vec2_bert."):
            assert torch.equal(tensor, before[f"encoder.{name.removeprefix('wav2vec2_bert.')}"]), name
    assert len(set(found["layer_weights"].tolist())) > 1
    extractor = json.loads((output / "preprocessor_config.json").read_text())
    assert (extractor["num_mel_bins"], extractor["stride"]) == (80, 4)


@pytest.mark.parametrize("changed", [{"lora_rank": 2}, {"frozen_layers": 1}, {"dropout": 0.1, "layerdrop": 0.5}])
def test_other_trained_parameters(classed, few_steps, run, tmp_path, trained, changed):
    output = tmp_path / "model"
    given = {**few_steps, "epochs": 0.7, **changed, "encoder": str(trained)}  # from a head's checkpoint
    run(ClassifySettings(data=str(classed), output=str(output), gradient_checkpointing=True, **given))
    found, before = load_file(output / "model.safetensors"), load_file(trained / "model.safetensors")
    assert set(found) == set(before)
    moved = {name for name in found if "layers." in name and not torch.equal(found[name], before[name])}
    assert "wav2vec2_bert.encoder.layers.1.self_attn.linear_q.weight" in moved
    assert any("layers.0." in name for name in moved) == ("frozen_layers" not in changed)
    if "lora_rank" in changed:
        assert all(name.endswith(".weight") for name in moved)


def test_several_classes_or_none(classed, few_steps, run, tmp_path):
    rows = ["file_name,labels,split"]
    for number in range(8):
        split = "train" if number < 6 else "test"
        rows += [f'{classed / split / "bell" / f"{number}.wav"},"bell, loud",{split}']
        rows += [f"{classed / split / 'drum' / f'{number}.wav'},{'drum' if number % 2 else ''},{split}"]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    settings = {"data": str(tmp_path), "output": str(tmp_path / "model"), **few_steps}
    lines = run(ClassifySettings(multi_label=True, balance=True, **settings))
    assert any("bell 6, loud 6, drum 3" in line for line in lines)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["problem_type"] == "multi_label_classification"
    assert "mean average precision" in json.loads((tmp_path / "model/measures.jsonl").read_text().splitlines()[-1])
    assert (tmp_path / "model" / "classes.png").is_file()


def test_early_stopping(classed, few_steps, run, tmp_path):
    still = {**few_steps, "learning_rate": 1e-12, "epochs": 50.0}
    run(ClassifySettings(data=str(classed), output=str(tmp_path / "model"), patience=2, **still))
    assert len(log_of(tmp_path / "model")) == 6  # two evaluations, of three steps each, are as the first


def test_classes_of_rows():
    one, several = (ClassifySettings(data="-", output="-", multi_label=multi) for multi in (False, True))
    assert classes_of_row({"label": "Keyboard, musical"}, one) == ("Keyboard, musical",)
    assert classes_of_row({"labels": "a, b,,a"}, several) == ("a", "b")
    assert classes_of_row({"labels": ["a", " b"]}, one) == ("a", "b")
    assert classes_of_row({"category": 3}, one) == ("3",)
    assert classes_of_row({"labels": ""}, several) == ()


def test_balanced_class_weights():
    from types import SimpleNamespace

    clips = [SimpleNamespace(name=str(i), texts=(name,)) for i, name in enumerate("aaab")]

    class Dataset:
        def __init__(self):
            self.clips = clips

        def __len__(self):
            return 4

        def split(self, name):
            return [0, 1, 2, 3] if name == "train" else []

    for balance, weights in ((False, [1, 1]), (True, [4 / 6, 4 / 2])):
        task = ClassifyTask(ClassifySettings(data="-", output="-", balance=balance), Dataset())
        np.testing.assert_allclose(task.class_weights, weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 19}, "batch_size must be at most the 18 training clips"),
        ({"classes": "bell,horn"}, "classes must name all classes in the data; 1 are missing: drum"),
        ({"frozen_layers": 3}, "frozen_layers must be at most the encoder's 2 layers; got 3"),
        ({"mask_time": 1.0}, "mask_time must be at least 0 and below 1; got 1"),
    ],
)
def test_mistakes(classed, few_steps, run, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        run(ClassifySettings(**{"data": str(classed), "output": str(tmp_path / "model"), **few_steps, **changed}))
    assert not (tmp_path / "model" / "config.json").exists()


def test_the_report_comes_before_a_batch_size_that_is_too_large(classed, few_steps, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PHOTISM_CACHE", str(cache))
    settings = ClassifySettings(data=str(classed), output=str(tmp_path / "model"), **{**few_steps, "batch_size": 19})
    lines = []
    with pytest.raises(InputError, match="batch_size must be at most the 18 training clips"):
        train(settings, listener=Listener(report=lines.extend))
    assert any(line.startswith("train: 18 clips") for line in lines)
    assert "3 classes, with training clips: bell 6, drum 6, horn 6" in lines
    assert not (tmp_path / "model").exists()


def test_a_clip_of_several_classes_without_multi_label(classed, few_steps, run, tmp_path):
    sounds = sorted(classed.rglob("*.wav"))
    rows = [
        json.dumps({"file_name": str(path), "labels": ["a", "b"] if path == sounds[0] else ["a"]}) for path in sounds
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    with pytest.raises(InputError, match="multi_label must be on: 1 clips have several classes: "):
        run(ClassifySettings(data=str(tmp_path), output=str(tmp_path / "model"), **few_steps))
