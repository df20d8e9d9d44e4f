"""Vectors of many recordings: rows of recordings and of windows, and outputs of another model."""

import pickle

import numpy as np
import pytest

from photism import AudioEmbedder, load_waveform
from photism.errors import InputError
from photism.jobs.embed_job import EmbedJob
from photism.jobs.run import run
from photism.listening.settings import EmbedModelSettings, EmbedSettings
from photism.manifest.read import read_manifest
from tests.support.jobs import json_rows


@pytest.fixture
def job(bare_encoder):
    def job(layer=None, **embedding):
        models = EmbedModelSettings(model=str(bare_encoder), layer=layer, device="cpu")
        return EmbedJob(models=models, embedding=EmbedSettings(**embedding))

    return job


@pytest.fixture
def embedder(bare_encoder):
    return AudioEmbedder.from_pretrained(bare_encoder, device="cpu")


@pytest.fixture
def manifest(sounds):
    return read_manifest([str(each) for each in sounds])


def test_a_row_has_the_vector_of_a_recording(job, embedder, manifest, sounds, tmp_path):
    run(job(), manifest, tmp_path / "x.jsonl")
    rows = json_rows(tmp_path / "x.jsonl")
    assert list(rows[0]) == ["file", "duration_s", "silent", "vector", "id"]
    assert [(row["file"], row["duration_s"]) for row in rows] == [
        (str(each), load_waveform(each).duration_s) for each in sounds
    ]
    np.testing.assert_allclose([row["vector"] for row in rows], embedder.embed(sounds), atol=1e-5)


def test_a_window_has_a_row_with_its_times(job, embedder, manifest, sounds, tmp_path):
    run(job(window_s=0.6), manifest, tmp_path / "x.jsonl")
    rows = [row for row in json_rows(tmp_path / "x.jsonl") if row["file"] == str(sounds[1])]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 0.6), (0.3, 0.9), (0.4, 1.0)]
    assert [row["id"].split("-")[2] for row in rows] == ["1of3", "2of3", "3of3"]
    assert list(rows[0]) == ["file", "duration_s", "silent", "start_s", "end_s", "vector", "id"]
    (found,) = embedder.stream(sounds[1], window_s=0.6)
    np.testing.assert_allclose([row["vector"] for row in rows], found.vectors, atol=1e-5)


def test_vectors_of_another_layer_or_of_windows_are_refused(job, manifest, tmp_path):
    run(job(), manifest, tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"model \S+ instead of \S+, layer 1; choose another output"):
        run(job(layer=1), manifest, tmp_path / "x.npz")
    with pytest.raises(InputError, match="window_s by default instead of 1"):
        run(job(window_s=1.0), manifest, tmp_path / "x.npz")
    assert run(job(layer=-1, batch_size=2), manifest, tmp_path / "x.npz").done_before == 3  # the same layer


def test_what_is_known_and_silent_is_in_the_row(sounds, tmp_path):
    run(EmbedJob(EmbedModelSettings(device="cpu")), read_manifest([str(sounds[0])]), tmp_path / "x.jsonl")
    (row,) = json_rows(tmp_path / "x.jsonl")
    assert (row["known"], row["silent"], len(row["vector"])) == (False, False, 776)


def test_a_job_can_be_sent_to_another_process(job):
    assert pickle.loads(pickle.dumps(job(window_s=1.0))) == job(window_s=1.0)


def test_there_is_no_text_of_vectors(job, manifest, tmp_path):
    with pytest.raises(InputError, match=r"-o must be a file that ends in \.jsonl, \.parquet, \.lance, \.npz"):
        run(job(), manifest, tmp_path / "x.srt")
