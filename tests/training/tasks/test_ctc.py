import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCTC, AutoProcessor

from photism.audio.waveform import load_waveform
from photism.encoder.head_losses import ctc_loss
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.errors import InputError
from photism.training.data.example import TRANSCRIPT_COLUMNS
from photism.training.data.feature_dataset import Clip, FeatureSettings
from photism.training.data.sampler import Crop
from photism.training.settings import ClassifySettings, CtcSettings
from photism.training.task import Batch
from photism.training.tasks.ctc import CtcTask, transcript_of_row
from tests.support.captioned_sounds import write_sound


class Dataset:
    """Clips without audio: name, transcript, tokens and split of each."""

    settings = FeatureSettings()

    def __init__(self, *clips):
        self.clips = [
            Clip(name, texts if isinstance(texts, tuple) else (texts,), split, tokens / 50, name, 0, tokens)
            for name, texts, tokens, split in clips
        ]

    def __len__(self):
        return len(self.clips)

    def split(self, name):
        return [index for index, clip in enumerate(self.clips) if clip.split == name]


def task_of(dataset, **settings):
    return CtcTask(CtcSettings(data="-", output="-", **settings), dataset)


def test_a_missing_library_is_an_error_before_recordings_are_read(monkeypatch):
    for name in ("jiwer", "peft"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="finetune ctc needs jiwer, which is not installed: pip install"):
        CtcSettings(data="-", output="-")
    with pytest.raises(InputError, match="lora_rank needs peft, which is not installed: pip install"):
        ClassifySettings(data="-", output="-", lora_rank=2)


def test_transcripts_that_do_not_fit_are_skipped_by_name():
    dataset = Dataset(
        ("fits", "aabb", 6, "train"),  # four characters and two blanks
        ("short", "aabb", 5, "train"),
        ("one of two", ("aabbaabb", "ab"), 5, "train"),
        ("silent", "…", 50, "train"),
        ("long", "ab", 5000, "train"),
        ("wrong", "aabb", 2, "validation"),
    )
    task = task_of(dataset)
    assert task.train_clips == [0, 2]
    assert task.target_ids[2] == [1]
    assert task.validation_clips == [5]
    text = "\n".join(task.report(None).lines)
    assert "skipped 4 clips" not in text
    assert "  short: its 4 characters need 6 frames, but it has 5" in text
    assert "  silent: its transcript is empty" in text
    assert "  long: its 100.0 s exceed max_duration_s" in text
    assert "skipped 3 clips that cannot be trained on" in text
    assert "an output frame is 20 ms, a character 40 ms in the median" in text  # 120 ms for 4, 100 ms for 2


def test_an_adapter_halves_the_frames():
    dataset = Dataset(("odd", "ab", 3, "train"), ("short", "abc", 4, "train"), ("fits", "abc", 5, "train"))
    assert task_of(dataset, adapter=True).train_clips == [0, 2]
    with pytest.raises(InputError, match=r"it has none: a: its 3 characters need 3 frames, but it has 1"):
        task_of(Dataset(("a", "abc", 2, "train")), adapter=True)


def test_rare_characters_are_reported_and_not_in_the_vocabulary():
    dataset = Dataset(("one", "a" * 20, 99, "train"), ("two", "aß", 9, "train"), ("three", "aé", 9, "train"))
    task = task_of(dataset)
    assert any("2 of them are rare: ß 1, é 1" in line for line in task.report(None).lines)
    task = task_of(dataset, min_count=2)
    assert "2 characters are not in the vocabulary: ß 1 (two), é 1 (three)" in task.report(None).lines
    assert task.labels[1] == [[3]]


def test_the_report_shows_transcripts_before_and_after_and_what_was_dropped():
    clips = [(str(number), f"Take {number},\u200f EU:n…", 99, "train") for number in range(30)]
    report = task_of(Dataset(*clips)).report(None)
    first = report.lines.index("normalisation changes 30 of 30 transcripts; before and after:")
    assert report.lines[first + 1] == r"  Take 0,\u200f EU:n… → take 0 eu:n"
    assert report.lines[first + 2].startswith("  Take 3,")
    assert report.lines[first + 11] == "dropped 3 different characters: , 30  U+200F 30  … 30"
    assert report.values["transcripts"]["dropped_characters"] == {",": 30, "\u200f": 30, "…": 30}
    assert not any("text_language" in line for line in report.lines)


def test_turkish_transcripts_without_a_language_are_pointed_out():
    dataset = Dataset(("one", "Kapı", 99, "train"))
    assert any("set text_language" in line for line in task_of(dataset).report(None).lines)
    task = task_of(Dataset(("one", "ILIK", 99, "train")), text_language="tr", keep_punctuation=True)
    assert task.references == [["ılık"]]
    assert "lower case, by the rules of `tr`" in task.card().introduction[1]
    assert "Punctuation is kept." in task.card().introduction[1]


def test_error_rates_by_hand():
    dataset = Dataset(
        ("a", "the cat sat", 50, "train"), ("b", "the cat sat", 50, "validation"), ("c", "hat", 9, "validation")
    )
    task = task_of(dataset)
    path = [task.vocabulary.encode(text) for text in ("the hat sat at", "hat")]
    found = task.evaluate([1, 2], [np.array(each) for each in path])
    # One word of four is another and one is added; one letter is another, and " at" is added.
    assert found.metrics == pytest.approx({"WER": 2 / 4, "CER": 4 / 14})
    assert [(case.name, case.prediction, case.reference) for case in found.worst] == [
        ("b", "the hat sat at", "the cat sat")
    ]
    assert found.worst[0].error == pytest.approx(4 / 11)
    assert task.score(found.metrics) == pytest.approx(-4 / 14)


def test_the_loss_is_that_of_the_head():
    dataset = Dataset(("a", "abba", 12, "train"), ("b", "cab", 9, "train"))
    task = task_of(dataset)
    torch.manual_seed(0)
    logits = torch.randn(2, 12, len(task.vocabulary))
    crops = [Crop(0, 0, 12, 0), Crop(1, 0, 9, 0)]
    mask = (torch.arange(12) < torch.tensor([[12], [9]])).long()
    config = SimpleNamespace(pad_token_id=0, ctc_loss_reduction="mean", ctc_zero_infinity=True, add_adapter=False)

    def model(features, mask):
        return SimpleNamespace(logits=logits)

    model.config = config
    found = task.loss(model, Batch(crops, torch.zeros(2, 12, 1), mask, task.targets(crops)))
    labels = torch.tensor([[*task.labels[0][0]], [*task.labels[1][0], -100]])
    expected = ctc_loss(logits, labels, torch.tensor([12, 9]), config)
    torch.testing.assert_close(found / 2, expected)


@pytest.mark.parametrize("adapter", [False, True])
def test_from_transcripts_to_a_model(few_steps, run, tmp_path, adapter):
    rows = [{"file_name": f"{i}.wav", "text": text, "split": split} for i, (text, split) in enumerate(
        [("Abba!", "train"), ("A cab", "train"), ("b, b", "train"), ("a" * 99, "train"), ("cab a", "test")] * 2
    )]  # fmt: skip
    for number in range(10):
        write_sound(tmp_path / f"{number}.wav", number, seconds=0.6)
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    output = tmp_path / "model"
    changed = {**few_steps, "batch_size": 3, "lora_rank": 2 * adapter}
    lines = run(CtcSettings(data=str(tmp_path), output=str(output), adapter=adapter, **changed))
    assert any(line == "skipped 2 clips that cannot be trained on:" for line in lines)
    assert any("99 characters need 197 frames" in line for line in lines)
    assert any("predicted " in line and "reference cab a" in line for line in lines)
    assert set(json.loads((output / "measures.jsonl").read_text().splitlines()[-1])) == {"step", "WER", "CER"}
    assert "| 4.wav |" in (output / "README.md").read_text()
    assert json.loads((output / "worst.jsonl").read_text().splitlines()[0])["written"] == "cab a"

    samples = load_waveform(tmp_path / "4.wav").samples[: 400 + 39 * 160]
    processor = AutoProcessor.from_pretrained(output)
    assert len(processor.tokenizer) == 6
    inputs = processor(audio=samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModelForCTC.from_pretrained(output).eval()(**inputs).logits
        ours = Wav2Vec2BertForCTC.from_pretrained(output).eval()(**inputs).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert ours.shape[1] == (10 if adapter else 20)


def test_transcripts_of_rows():
    settings = CtcSettings(data="-", output="-")
    assert transcript_of_row({"sentence": " a  b "}, settings) == ("a b",)
    assert transcript_of_row({"text": ["a", "", "b"]}, settings) == ("a", "b")
    assert len(set(TRANSCRIPT_COLUMNS)) == len(TRANSCRIPT_COLUMNS)
    assert transcript_of_row({"transcript": "a", "caption": "b"}, settings) == ("a",)
    assert transcript_of_row({"text": float("nan"), "sentence": [None, "nan"]}, settings) == ("nan",)
    assert transcript_of_row({"label": "a"}, settings) == ()
    assert transcript_of_row({"said": "a"}, CtcSettings(data="-", output="-", text_column="said")) == ("a",)
