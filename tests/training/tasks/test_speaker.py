import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

from photism.audio.waveform import load_waveform
from photism.encoder.x_vector import AngularMarginLoss
from photism.errors import InputError
from photism.listening.calibration import Calibration
from photism.listening.verification import SpeakerVerifier
from photism.training.head_model import group_by_speaker
from photism.training.settings import CtcSettings, SpeakerSettings
from photism.training.tasks.speaker import SpeakerTask, speaker_or_label_of_row
from tests.support.captioned_sounds import write_sound


def task_of(*clips, **settings):
    """Return a task on clips, each given by speaker and split."""
    listed = [
        SimpleNamespace(name=f"{index}.wav", texts=(speaker,), split=split)
        for index, (speaker, split) in enumerate(clips)
    ]

    class Dataset:
        clips = listed

        def __len__(self):
            return len(listed)

        def split(self, name):
            return [index for index, clip in enumerate(listed) if clip.split == name]

    return SpeakerTask(SpeakerSettings(data="-", output="-", **settings), Dataset())


def test_training_speakers_are_not_evaluated():
    task = task_of(
        ("ann", "train"), ("ann", "train"), ("bob", "train"), ("ann", "validation"),
        ("eve", "validation"), ("eve", "validation"), ("joe", "validation"),
    )  # fmt: skip
    assert task.names == ["ann", "bob"]
    assert task.validation_clips == [4, 5, 6]
    assert task.report(None).lines == [
        "2 training speakers with 1 to 2 clips",
        "1 of them have fewer than 2 clips: bob",
        "skipped 1 validation clips of training speakers: 3.wav",
        "2 validation speakers, none of them in training",
    ]


def test_too_few_speakers():
    alone = task_of(("ann", "train"), ("bob", "train"), ("eve", "validation"), ("eve", "validation"))
    assert alone.validation_clips == []
    assert "no evaluation: it needs two speakers" in alone.report(None).lines[-1]
    with pytest.raises(InputError, match=r"at least two training speakers; it has \['ann'\]"):
        task_of(("ann", "train"), ("bob", "validation"))


def test_error_rates_by_hand():
    task = task_of(("a", "train"), ("b", "train"), *[(name, "validation") for name in "eeff"])
    angles = np.radians([0, 60, 70, 100])
    vectors = [np.array([np.cos(angle), np.sin(angle)]) for angle in angles]
    # Cosines of one speaker: of 60 and 30 degrees; of two: of 70, 100, 10 and 40. Accepted from that of 40 on, one of
    # two pairs of one speaker is refused, and two of four others are accepted.
    found = task.evaluate([2, 3, 4, 5], vectors)
    # Where one pair of a hundred is of one speaker, it is best to refuse all.
    assert found.metrics == pytest.approx({"EER": 0.5, "minDCF": 1, "threshold": np.cos(np.radians(40))})
    assert [(case.name, case.prediction, case.reference) for case in found.worst] == [
        ("2.wav and 3.wav", "different speakers (0.50)", "e"),
        ("3.wav and 4.wav", "one speaker (0.98)", "e and f"),
        ("3.wav and 5.wav", "one speaker (0.77)", "e and f"),
    ]
    assert task.score(found.metrics) == -0.5
    assert len(found.figures["scores"].axes[0].patches) == 100


def test_speakers_of_rows():
    settings = SpeakerSettings(data="-", output="-")
    assert speaker_or_label_of_row({"client_id": 7, "label": "x"}, settings) == "7"
    assert speaker_or_label_of_row({"labels": ["ann"]}, settings) == "ann"
    assert speaker_or_label_of_row({"text": "ann"}, settings) is None
    # For other tasks a label is not a speaker.
    assert group_by_speaker({"labels": ["ann"]}, CtcSettings(data="-", output="-")) is None
    assert group_by_speaker({"who": "bob"}, CtcSettings(data="-", output="-", speaker_column="who")) == "bob"


def test_from_folders_of_speakers_to_vectors(few_steps, run, tmp_path):
    for number, name in enumerate(["ann", "bob", "eve", "joe"]):
        for sound in range(4):
            split = "train" if number < 2 else "test"
            write_sound(tmp_path / "data" / split / name / f"{sound}.wav", number + 6 * sound, seconds=0.5)
    output = tmp_path / "model"
    changed = {**few_steps, "batch_size": 4, "crop_s": 0.3, "weighted_layer_sum": True}
    lines = run(SpeakerSettings(data=str(tmp_path / "data"), output=str(output), **changed))
    assert "2 validation speakers, none of them in training" in lines
    measures = json.loads((output / "measures.jsonl").read_text().splitlines()[-1])
    assert {"EER", "minDCF"} <= set(measures)
    assert (output / "scores.png").is_file()
    calibration = Calibration.load(output / "threshold.json")
    assert (calibration.same, calibration.different) == (12, 16)  # of eight recordings of two speakers
    samples = load_waveform(tmp_path / "data/test/joe/0.wav").samples[: 400 + 39 * 160]
    inputs = AutoFeatureExtractor.from_pretrained(output)(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModelForAudioXVector.from_pretrained(output).eval()(**inputs).embeddings[0]
    verifier = SpeakerVerifier.from_pretrained(output, device="cpu")
    ((_, ours),) = verifier.stream([samples])
    theirs = torch.nn.functional.normalize(theirs, dim=0)
    torch.testing.assert_close(torch.from_numpy(ours), theirs, atol=1e-3, rtol=1e-3)


def test_speakers_without_a_split_are_divided_whole(few_steps, run, tmp_path):
    rows = ["file_name,speaker"]
    for number in range(24):
        write_sound(tmp_path / f"{number}.wav", number)
        rows.append(f"{number}.wav,speaker {number // 2}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    changed = {**few_steps, "batch_size": 4, "epochs": 0.5, "validation_share": 0.5}
    lines = run(SpeakerSettings(data=str(tmp_path), output=str(tmp_path / "model"), **changed))
    assert not any("skipped" in line or "in both splits" in line for line in lines)
    assert any("validation speakers" in line for line in lines)


def test_the_margin_is_not_rounded_by_autocast():
    torch.manual_seed(0)
    loss, vectors, labels = AngularMarginLoss(8, 5), torch.randn(16, 8), torch.arange(16) % 5
    whole = loss(vectors, labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(vectors, labels), whole)
