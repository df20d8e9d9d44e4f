"""What an index says about recordings: the same as the verbs for each of its columns."""

import numpy as np
import pytest

from photism import AudioClassifier, CaptionRanker, InputError
from photism.audio import sources
from photism.audio.loudness import integrated_loudness
from photism.audio.sources import SoundFile
from photism.audio.waveform import load_waveform
from photism.collection.index_job import COLUMNS, IndexJob
from photism.collection.index_rows import index_schema
from photism.collection.index_worker import IndexWorker
from photism.collection.settings import IndexSettings
from photism.listening.audio_embedder import AudioEmbedder
from photism.listening.settings import EmbedModelSettings
from tests.support.classifiers import make_classifier
from tests.support.long_recordings import encoded_in_windows, read_in_blocks


@pytest.fixture(scope="module")
def label_model(tmp_path_factory):
    """Folder of a tiny classifier."""
    return str(make_classifier(tmp_path_factory.mktemp("classifier"), "bert"))


def outcomes(job: IndexJob, sounds, worker: IndexWorker | None = None):
    """Return the outcomes of recordings, none of which may be in error."""
    files = map(SoundFile, sounds)
    return list((worker or job.load()).stream(files, on_error=lambda number, error: pytest.fail(str(error))))


def test_the_columns_are_what_the_verbs_say(models, sounds, label_model):
    job = IndexJob(EmbedModelSettings(model=str(models / "sd")), IndexSettings(label_model=label_model, batch_size=2))
    found = outcomes(job, sounds)
    assert [each.number for each in found] == [0, 1, 2]
    assert [each.duration_s for each in found] == [0.5, 1, 1.5]
    vectors = AudioEmbedder.from_pretrained(models / "sd").embed(sounds)
    captions = CaptionRanker.from_pretrained(models / "sd").rank(sounds, top_k=5)
    labels = AudioClassifier.from_pretrained(label_model, top_k=5)(sounds)
    for number, (sound, outcome) in enumerate(zip(sounds, found, strict=True)):
        assert outcome.windows is None
        fields = outcome.fields
        np.testing.assert_allclose(fields["vector"], vectors[number], atol=1e-6)
        assert [each["caption"] for each in fields["captions"]] == [each["caption"] for each in captions[number]]
        scores = [each["score"] for each in fields["captions"]]
        np.testing.assert_allclose(scores, [each["score"] for each in captions[number]], atol=1e-6)
        assert [each["label"] for each in fields["labels"]] == [each["label"] for each in labels[number]]
        assert fields["loudness_lufs"] == integrated_loudness([load_waveform(sound).samples])
        assert fields["known"] is None  # this model cannot tell
        assert fields.keys() <= COLUMNS.keys() <= set(index_schema(1).names)


def test_windows_are_recordings_of_their_own(models, sounds):
    job = IndexJob(EmbedModelSettings(model=str(models / "sd")), IndexSettings(window_s=0.8, hop_s=0.6))
    worker = job.load()
    found = outcomes(job, sounds[:2], worker)
    times = [[(each["start_s"], each["end_s"]) for each in outcome.windows] for outcome in found]
    assert times == [[(0, 0.5)], [(0, 0.8), (0.2, 1)]]
    assert found[1].fields == {"duration_s": 1}
    cut = load_waveform(sounds[1]).samples[3200:]
    np.testing.assert_allclose(found[1].windows[1]["vector"], worker.embedder.embed([cut])[0], atol=1e-6)
    assert found[1].windows[1]["loudness_lufs"] == integrated_loudness([cut])
    assert found[0].windows[0]["labels"] is None


def test_a_long_recording_is_the_same_in_blocks(models, sounds, label_model):
    job = IndexJob(EmbedModelSettings(model=str(models / "sd")), IndexSettings(label_model=label_model))
    worker = job.load()
    with encoded_in_windows():
        (held,) = outcomes(job, sounds[2:], worker)
        with read_in_blocks():
            (streamed,) = outcomes(job, sounds[2:], worker)
    np.testing.assert_allclose(streamed.fields["vector"], held.fields["vector"], atol=2e-5)
    assert streamed.fields["loudness_lufs"] == held.fields["loudness_lufs"]
    assert [each["label"] for each in streamed.fields["labels"]] == [each["label"] for each in held.fields["labels"]]


def test_a_recording_is_opened_once(models, sounds, label_model, monkeypatch):
    opened = []
    monkeypatch.setattr(
        sources, "_open_path", lambda path, name, was=sources._open_path: opened.append(name) or was(path, name)
    )
    job = IndexJob(EmbedModelSettings(model=str(models / "sd")), IndexSettings(label_model=label_model))
    outcomes(job, sounds)
    assert sorted(opened) == sorted(map(str, sounds))


def test_vectors_without_a_text_encoder_have_no_captions(bare_encoder, sounds):
    (found, *_) = outcomes(IndexJob(EmbedModelSettings(model=str(bare_encoder))), sounds)
    assert found.fields["captions"] is None


def test_fingerprints_of_models_and_settings(models, label_model):
    models_ = EmbedModelSettings(model=str(models / "sd"))
    plain, labelled = IndexJob(models_), IndexJob(models_, IndexSettings(label_model=label_model, num_workers=1))
    assert plain.settings == labelled.settings
    workers = plain.load(), labelled.load()
    assert workers[0].fingerprint != workers[1].fingerprint
    assert workers[0].embedder.fingerprint == workers[1].embedder.fingerprint == workers[0].fingerprint
    with pytest.raises(InputError, match="an index cannot be written as csv"):
        plain.text_format("csv")
