import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioFrameClassification

from photism.audio.waveform import load_waveform
from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification
from photism.errors import InputError
from photism.listening.diarization import SpeakerTimeline
from photism.listening.segments import Segment
from photism.training.data.feature_dataset import Clip, FeatureSettings
from photism.training.data.sampler import Crop
from photism.training.data.turns import NOBODY, activity, parse_turns, turns_of_row, version_of_rttm
from photism.training.settings import FramesSettings
from photism.training.task import Batch
from photism.training.tasks.frames import FramesTask
from tests.support.captioned_sounds import write_sound


def task_of(*turns, tokens=10, **settings):
    """Return a task on recordings with these turns and frames of 20 ms."""
    clips = [Clip(f"{index}.wav", texts, "train", tokens / 50, "", 0, tokens) for index, texts in enumerate(turns)]

    class Dataset:
        settings = FeatureSettings()

        def __len__(self):
            return len(clips)

        def split(self, name):
            return list(range(len(clips)))

    dataset = Dataset()
    dataset.clips = clips
    return FramesTask(FramesSettings(data="-", output="-", **settings), dataset)


def test_frames_at_whose_centre_somebody_speaks():
    turns = [Segment(0.01, 0.05, "a", 1), Segment(0.031, 0.2, "b", 1), Segment(0.0, 1.0, "x", 1)]
    found = activity(turns, ["a", "b"], tokens=4, token_s=0.02)
    assert found.tolist() == [[True, False], [True, False], [False, True], [False, True]]


def test_voice_activity_merges_speakers():
    task = task_of(("0.0 0.1 ann", "0.05 0.12 bob"), (NOBODY,))
    assert task.names == ["speech"]
    assert task.labels[0][:, 0].tolist() == [True] * 6 + [False] * 4
    assert task.turns[0] == [Segment(0.0, 0.12, "speech", 1.0)]
    assert "train: 70.0% silence, 30.0% one speaker, 0.0% overlapping speakers" in task.report(None).lines
    assert "1 recordings have no speech: 1.wav" in task.report(None).lines


def test_error_rates_by_hand():
    task = task_of(("0.0 1.0 ann",), ("1.0 2.0 bob",), tokens=100)
    scores = np.array([[1] * 30 + [0] * 50 + [1] * 20, [0] * 50 + [1] * 50], np.float32)[:, :, None]
    found = task.evaluate([0, 1], list(scores))
    # Of 100 frames of speech 80 are predicted, and 20 others: 0.4 s of 2 s are missed, and 0.4 s are false alarms.
    assert found.metrics == pytest.approx({"frame F1": 2 * 80 / (100 + 100), "DER": 0.8 / 2})
    (case,) = found.worst
    assert (case.name, case.prediction) == ("0.wav", "0.4 s missed, 0.4 s false alarm, 0.0 s confused")
    assert (case.error, case.reference) == (pytest.approx(0.8), "1.0 s of speech")


def test_the_worst_have_the_most_seconds_wrong():
    task = task_of((), ("0.0 2.0 ann",), tokens=100)
    scores = np.array([[1] * 10 + [0] * 90, [1] * 50 + [0] * 50], np.float32)[:, :, None]
    worst = task.evaluate([0, 1], list(scores)).worst
    # A recording without speech has no rate of errors, and would come first whatever little is wrong.
    assert [(case.name, case.error) for case in worst] == [("1.wav", pytest.approx(1.0)), ("0.wav", pytest.approx(0.2))]


def test_the_loss_does_not_depend_on_the_order_of_speakers():
    task = task_of(("0.0 0.1 ann", "0.1 0.2 bob"), learn="speakers")
    assert task.names == ["speaker 1", "speaker 2"]
    logits = torch.randn(1, 10, 2)
    crops = [Crop(0, 0, 10, 0)]
    batch = Batch(crops, torch.zeros(1, 10, 1), torch.ones(1, 10, dtype=torch.long), task.targets(crops))
    one, other = (
        task.loss(lambda features, mask, each=each: SimpleNamespace(logits=each), batch)
        for each in (logits, logits.flip(2))
    )
    torch.testing.assert_close(one, other)
    targets = torch.from_numpy(task.labels[0]).float()
    both = [
        torch.nn.functional.binary_cross_entropy_with_logits(logits[0], each, reduction="sum") / 2
        for each in (targets, targets.flip(1))
    ]
    torch.testing.assert_close(one, torch.stack(both).min())
    right = np.eye(2, dtype=np.float32)[[1] * 5 + [0] * 5]  # the other way round, all right
    assert task.evaluate([0], [right]).metrics == pytest.approx({"frame F1": 1, "DER": 0}, abs=1e-6)
    wrong = np.eye(2, dtype=np.float32)[[1] * 10]  # the second is taken for the first
    found = task.evaluate([0], [wrong]).metrics
    assert found == pytest.approx({"frame F1": 0.5, "DER": 0.5}, abs=1e-6)


def test_names_are_those_of_the_rttm():
    task = task_of(("0.0 0.1 teacher",), ("0.1 0.2 child",), learn="names")
    assert task.names == ["child", "teacher"]
    assert task.labels[0].sum(0).tolist() == [0, 5]


def test_too_many_speakers():
    with pytest.raises(InputError, match=r"the number in each recording; more than 2 are in 0.wav"):
        task_of(("0 1 a", "1 2 b", "2 3 c"), learn="speakers")


@pytest.mark.parametrize("is_one_file", [True, False])
def test_recordings_of_one_name_have_turns_of_their_own(tmp_path, is_one_file):
    line = "SPEAKER {} 1 0 {} <NA> <NA> ann <NA> <NA>\n"
    target = tmp_path / "turns"
    if is_one_file:
        target.write_text(line.format("a/x", 1) + line.format("b/x", 2), encoding="utf-8-sig")
    else:
        for folder, seconds in (("a", 1), ("b", 2)):
            (target / folder).mkdir(parents=True)
            (target / folder / "x.rttm").write_text(line.format("x", seconds))
    settings = FramesSettings(data=str(tmp_path), output="-", rttm=str(target))
    assert turns_of_row({"file_name": "a/x.wav"}, settings) == ("0.0 1.0 ann",)
    assert turns_of_row({"file_name": "b/x.wav"}, settings) == ("0.0 2.0 ann",)


def test_a_long_recording_has_as_many_crops_as_fit():
    assert task_of(("0.0 0.1 a",), tokens=101, crop_s=1.0).train_clips == [0, 0, 0]


def test_turns_of_rows(tmp_path):
    settings = FramesSettings(data=str(tmp_path), output="-")
    line = "SPEAKER {} 1 {} {} <NA> <NA> {} <NA> <NA>\n"
    (tmp_path / "a.rttm").write_text(line.format("whatever", 0.5, 1.0, "ann") + line.format("whatever", 2, 1, "bob"))
    assert turns_of_row({"file_name": "a.wav"}, settings) == ("0.5 1.5 ann", "2.0 3.0 bob")
    assert turns_of_row({"audio": tmp_path / "a.wav"}, settings) == ("0.5 1.5 ann", "2.0 3.0 bob")
    assert turns_of_row({"file_name": "b.wav"}, settings) == ()
    # A part begins at 0, and has what lies within it.
    assert turns_of_row({"file_name": "a.wav", "start": "1.0", "end": "1.25"}, settings) == ("0.0 0.25 ann",)
    assert turns_of_row({"file_name": "a.wav", "start": "1.5", "end": "2"}, settings) == (NOBODY,)
    assert parse_turns((NOBODY,)) == []
    assert turns_of_row({"file_name": "b.wav", "rttm": "a.rttm"}, settings)[0] == "0.5 1.5 ann"
    columns = {"audio": {"path": "x.wav"}, "timestamps_start": [0.0], "timestamps_end": [2.0], "speakers": ["ann b"]}
    assert parse_turns(turns_of_row(columns, settings)) == [Segment(0.0, 2.0, "ann b", 1.0)]
    (tmp_path / "all.rttm").write_text(line.format("c", 0, 1, "ann") + line.format("d", 0, 2, "bob"))
    one_file = FramesSettings(data=str(tmp_path), output="-", rttm=str(tmp_path / "all.rttm"))
    assert turns_of_row({"file_name": "d.wav"}, one_file) == ("0.0 2.0 bob",)
    assert turns_of_row({"file_name": "a.wav"}, one_file) == ()
    before = version_of_rttm(one_file)
    (tmp_path / "all.rttm").write_text(line.format("d", 0, 1, "ann"))
    assert turns_of_row({"file_name": "d.wav"}, one_file) == ("0.0 1.0 ann",)
    assert version_of_rttm(one_file) != before
    for changed in ({"timestamps_end": [2.0, 3.0]}, {"timestamps_start": ["soon"]}, {"speakers": 5}):
        with pytest.raises(InputError, match="timestamps_start, timestamps_end, speakers must be lists of one length"):
            turns_of_row({**columns, **changed}, settings)
    with pytest.raises(InputError, match=r"start must be seconds; .* has 'soon'"):
        turns_of_row({**columns, "start": "soon"}, settings)
    with pytest.raises(InputError, match="rttm must be a file or a folder; there is no nowhere"):
        version_of_rttm(FramesSettings(data="-", output="-", rttm="nowhere"))
    with pytest.raises(InputError, match=r"b.rttm: no such RTTM file"):
        turns_of_row({"file_name": "b.wav", "rttm": "b.rttm"}, settings)
    (tmp_path / "bad.rttm").write_text("SPEAKER x 1 soon 2\n")
    with pytest.raises(InputError, match=r"bad.rttm: line 1 is not a turn in RTTM"):
        turns_of_row({"file_name": "bad.wav"}, settings)


@pytest.mark.parametrize("learn", ["speech", "speakers"])
def test_from_rttm_to_a_timeline(few_steps, run, tmp_path, learn):
    data = tmp_path / "data"
    for number in range(8):
        folder = data / ("train" if number < 6 else "test")
        write_sound(folder / f"{number}.wav", number, seconds=1.0)
        (folder / f"{number}.rttm").write_text(f"SPEAKER {number} 1 0.2 0.6 <NA> <NA> who{number} <NA> <NA>\n")
    output = tmp_path / "model"
    # Evaluated in windows of 0.4 s.
    changed = {**few_steps, "batch_size": 4, "crop_s": 0.6, "max_duration_s": 0.4}
    lines = run(FramesSettings(data=str(data), output=str(output), learn=learn, **changed))
    assert any("61.2% one speaker, 0.0% overlapping" in line for line in lines), lines
    assert {"frame F1", "DER"} <= set(json.loads((output / "measures.jsonl").read_text().splitlines()[-1]))
    samples = load_waveform(data / "test" / "7.wav").samples[: 400 + 39 * 160]
    inputs = AutoFeatureExtractor.from_pretrained(output)(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModelForAudioFrameClassification.from_pretrained(output).eval()(**inputs).logits
        ours = Wav2Vec2BertForAudioFrameClassification.from_pretrained(output).eval()(**inputs).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert ours.shape[2] == (1 if learn == "speech" else 2)
    timeline = SpeakerTimeline.from_pretrained(output, device="cpu")
    assert timeline.names == (("speech",) if learn == "speech" else ("speaker 1", "speaker 2"))
    assert all(turn.end_s <= 1.0 for turn in timeline(data / "test" / "7.wav"))
