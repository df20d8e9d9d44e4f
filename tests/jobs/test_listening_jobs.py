"""Jobs of classification, speech recognition and diarization: their rows are those of `photism.listening`."""

import pickle
from types import SimpleNamespace

import pytest
from torch import nn

from photism.jobs.label_job import LabelJob
from photism.jobs.provenance import Provenance
from photism.jobs.run import run
from photism.jobs.timeline_job import TimelineJob
from photism.jobs.transcribe_job import TranscribeJob, TranscribeWorker
from photism.listening.classification import AudioClassifier
from photism.listening.diarization import SpeakerTimeline
from photism.listening.settings import (
    ClassifierModelSettings,
    DiarizationModelSettings,
    LabelSettings,
    TimelineSettings,
)
from photism.listening.transcription.decoding_options import RecognizerModelSettings, TranscribeSettings
from photism.listening.transcription.ngram_lm import ArpaModel
from photism.listening.transcription.reference_text import ReferenceText
from photism.listening.transcription.transcriber import Transcriber
from photism.listening.transcription.vocabulary import Vocabulary
from photism.manifest.read import read_manifest
from tests.support.classifiers import make_classifier
from tests.support.jobs import json_rows
from tests.support.speaker_models import make_speaker_model


@pytest.fixture
def rows_of(sounds, tmp_path):
    """Function that returns the rows of a job without their names and ids, and the errors."""

    def process(job, given=sounds):
        job = pickle.loads(pickle.dumps(job))
        run(job, read_manifest([*map(str, given)]), tmp_path / "rows.jsonl")
        rows = json_rows(tmp_path / "rows.jsonl")
        assert all(set(row) <= {"file", "id", *job.columns} for row in rows)
        return rows, json_rows(tmp_path / "rows.jsonl.errors.jsonl")

    return process


def without_ids(rows):
    return [{name: value for name, value in row.items() if name not in ("file", "id")} for row in rows]


def test_label(rows_of, sounds, tmp_path):
    model = make_classifier(tmp_path / "bert", "bert")
    job = LabelJob(ClassifierModelSettings(model=str(model)), LabelSettings(window_s=0.5, top_k=2))
    rows, _ = rows_of(job)
    classifier = AudioClassifier.from_pretrained(model)
    expected = [labels.as_dict() for labels in classifier.stream(sounds, window_s=0.5, top_k=2)]
    assert [row["windows"] for row in rows] == [each["windows"] for each in expected]
    assert [row["segments"] for row in rows] == [each["segments"] for each in expected]


def test_timeline(rows_of, sounds, tmp_path):
    model = make_speaker_model(tmp_path / "frames", "AudioFrameClassification")
    job = TimelineJob(DiarizationModelSettings(model=str(model)), TimelineSettings(threshold=0.45))
    rows, _ = rows_of(job)
    diarizer = SpeakerTimeline.from_pretrained(model, threshold=0.45)
    assert without_ids(rows) == [each.as_dict() for each in diarizer.stream(sounds)]


@pytest.fixture
def recognizer(ctc_checkpoints):
    return RecognizerModelSettings(model=str(ctc_checkpoints / "w2v-bert"))


def test_transcribe(rows_of, sounds, recognizer):
    rows, _ = rows_of(TranscribeJob(recognizer, words=True))
    transcriber = Transcriber.from_pretrained(recognizer.model)
    assert without_ids(rows) == [each.as_dict(characters=True) for each in transcriber(sounds)]


def test_transcripts_are_those_of_the_recordings_and_missing_ones_are_errors(rows_of, sounds, recognizer, tmp_path):
    folder = tmp_path / "texts"
    (folder / sounds[0].parent.name).mkdir(parents=True)
    near, far = folder / sounds[0].parent.name / f"{sounds[0].stem}.txt", folder / f"{sounds[0].stem}.txt"
    near.write_text("ab")
    far.write_text("another text")
    (folder / f"{sounds[2].stem}.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nba ab\n")
    rows, errors = rows_of(TranscribeJob(recognizer, transcript=str(folder)))
    transcriber = Transcriber.from_pretrained(recognizer.model)
    aligned = transcriber.align([sounds[0], sounds[2]], [ReferenceText.of("ab"), ReferenceText.of(["ba ab"])])
    with pytest.warns(match="does not fit"):
        assert without_ids(rows) == [each.as_dict() for each in aligned]
    (error,) = errors
    assert error["what"] == (
        f"{sounds[1]} needs one transcript, but the folder {folder} has no {sounds[1].stem}.txt, {sounds[1].stem}.srt "
        f"or {sounds[1].stem}.vtt"
    )


ARPA = "\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 ab\n\n\\end\\\n"


def provenance_of(job):
    class Worker:
        fingerprint = "0" * 16

    return Provenance.of(pickle.loads(pickle.dumps(job)), Worker()).run


def test_a_language_model_is_part_of_the_settings(recognizer, tmp_path):
    path = tmp_path / "words.arpa"
    path.write_text(ARPA)

    def run_of(language_model):
        return provenance_of(TranscribeJob(recognizer, TranscribeSettings(language_model=language_model)))

    found = {run_of(path), run_of(str(path)), run_of(ArpaModel(path))}
    assert len(found) == 1
    assert run_of(None) not in found
    path.write_text(ARPA.replace("-1 ab", "-2 ab"))
    assert run_of(path) not in found


def test_transcripts_are_part_of_the_settings(recognizer, tmp_path):
    folder = tmp_path / "texts"
    file = folder / "day" / "talk.txt"
    file.parent.mkdir(parents=True)

    def runs():
        return [provenance_of(TranscribeJob(recognizer, transcript=str(each))) for each in (folder, file)]

    missing = runs()
    file.write_text("ab")
    first = runs()
    assert runs() == first
    (folder / "notes.json").write_text("{}")  # which is no transcript
    assert runs() == first
    file.write_text("another text")
    assert all(len(set(each)) == 3 for each in zip(missing, first, runs(), strict=True))
    assert provenance_of(TranscribeJob(recognizer)) not in first


def test_the_vocabulary_is_part_of_the_fingerprint(recognizer):
    def fingerprint(*tokens, **others):
        acoustic_model = SimpleNamespace(model=nn.Identity(), vocabulary=Vocabulary(tokens, 2, **others))
        transcriber = SimpleNamespace(acoustic_model=acoustic_model, language=None)
        return TranscribeWorker(TranscribeJob(recognizer), transcriber).fingerprint

    others = fingerprint("b", "a", ""), fingerprint("a", "b", "", separator=""), fingerprint("a", "b", "")
    assert len(set(others)) == 3
    assert fingerprint("a", "b", "") in others
