import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

from photism.audio.waveform import load_waveform
from photism.encoder.x_vector import AngularMarginLoss
from photism.errors import InputError
from photism.listening.verification import Calibration, SpeakerVerifier
from photism.training.heads.settings import CtcSettings, SpeakerSettings
from photism.training.heads.speaker import SpeakerTask, speaker_of_row
from tests.support.captioned_sounds import write_sound


def task_of(*clips, **settings):
    """Of clips by speaker and split."""
    listed = [
        SimpleNamespace(name=f"{index}.wav", texts=(speaker,), split=split)
        for index, (speaker, split) in enumerate(clips)
    ]

    class Corpus:
        clips = listed

        def __len__(self):
            return len(listed)

        def split(self, name):
            return [index for index, clip in enumerate(listed) if clip.split == name]

    return SpeakerTask(SpeakerSettings(data="-", output="-", **settings), Corpus())


def test_nobody_is_measured_on_who_is_trained_on():
    task = task_of(
        ("ann", "train"), ("ann", "train"), ("bob", "train"), ("ann", "validation"),
        ("eve", "validation"), ("eve", "validation"), ("joe", "validation"),
    )  # fmt: skip
    assert task.names == ["ann", "bob"]
    assert task.validation == [4, 5, 6]
    assert task.report() == [
        "2 speakers to train on, of 1 to 2 sounds",
        "1 of them have fewer than 2 sounds: bob",
        "1 validation sounds are of speakers to train on and left out: 3.wav",
        "2 speakers to measure on, none of them trained on",
    ]


def test_what_cannot_be_measured_or_trained():
    alone = task_of(("ann", "train"), ("bob", "train"), ("eve", "validation"), ("eve", "validation"))
    assert alone.validation == []
    assert "nothing to measure on" in alone.report()[-1]
    with pytest.raises(InputError, match=r"at least two speakers to train on; it has \['ann'\]"):
        task_of(("ann", "train"), ("bob", "validation"))


def test_error_rates_by_hand():
    task = task_of(("a", "train"), ("b", "train"), *[(name, "validation") for name in "eeff"])
    angles = np.radians([0, 60, 70, 100])
    vectors = [np.array([np.cos(angle), np.sin(angle)]) for angle in angles]
    # Cosines of one speaker: of 60 and 30 degrees; of two: of 70, 100, 10 and 40. Accepted from that of 40 on, one of
    # two pairs of one speaker is refused, and two of four others are accepted.
    found = task.evaluate([2, 3, 4, 5], vectors)
    # Where one pair of a hundred is of one speaker, it is best to refuse all.
    assert found.measures == pytest.approx({"EER": 0.5, "minDCF": 1, "threshold": np.cos(np.radians(40))})
    assert [(case.name, case.heard, case.written) for case in found.worst] == [
        ("2.wav and 3.wav", "different speakers (0.50)", "e"),
        ("3.wav and 4.wav", "one speaker (0.98)", "e and f"),
        ("3.wav and 5.wav", "one speaker (0.77)", "e and f"),
    ]
    assert task.score(found.measures) == -0.5
    assert len(found.figures["scores"].axes[0].patches) == 100


def test_speakers_of_rows():
    settings = SpeakerSettings(data="-", output="-")
    assert speaker_of_row({"client_id": 7, "label": "x"}, settings) == "7"
    assert speaker_of_row({"labels": ["ann"]}, settings) == "ann"
    assert speaker_of_row({"text": "ann"}, settings) is None
    # For other tasks a label is no speaker.
    assert speaker_of_row({"labels": ["ann"]}, CtcSettings(data="-", output="-")) is None
    assert speaker_of_row({"who": "bob"}, CtcSettings(data="-", output="-", speaker_column="who")) == "bob"


def test_from_folders_of_speakers_to_vectors(few_steps, run, tmp_path):
    for number, name in enumerate(["ann", "bob", "eve", "joe"]):
        for sound in range(4):
            split = "train" if number < 2 else "test"
            write_sound(tmp_path / "data" / split / name / f"{sound}.wav", number + 6 * sound, seconds=0.5)
    output = tmp_path / "model"
    changed = {**few_steps, "batch_size": 4, "crop_s": 0.3, "weighted_layer_sum": True}
    lines = run(SpeakerSettings(data=str(tmp_path / "data"), output=str(output), **changed))
    assert "2 speakers to measure on, none of them trained on" in lines
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
    assert not any("left out" in line or "in both splits" in line for line in lines)
    assert any("speakers to measure on" in line for line in lines)


def test_the_margin_is_not_rounded_by_autocast():
    torch.manual_seed(0)
    loss, vectors, labels = AngularMarginLoss(8, 5), torch.randn(16, 8), torch.arange(16) % 5
    whole = loss(vectors, labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(vectors, labels), whole)
