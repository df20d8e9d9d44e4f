"""photism embed: what it prints and writes, and what is an error before a model is loaded."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from photism import AudioEmbedder
from photism.cli.app import app
from photism.listening.embeddings import load_embeddings
from tests.support.speaker_models import make_speaker_model


@pytest.fixture(scope="module")
def x_vectors(tmp_path_factory):
    return make_speaker_model(tmp_path_factory.mktemp("x-vectors"), "XVector")


@pytest.fixture
def embed(x_vectors):
    def run(*arguments):
        return CliRunner().invoke(app, ["embed", "--model", str(x_vectors), *map(str, arguments)])

    return run


@pytest.fixture
def vectors(x_vectors):
    return lambda files: AudioEmbedder.from_pretrained(x_vectors, device="cpu").embed(files)


def test_vectors_are_printed_as_json_lines(embed, vectors, sounds):
    rows = [json.loads(line) for line in embed(*sounds).stdout.splitlines()]
    assert [row["file"] for row in rows] == [str(each) for each in sounds]
    assert list(rows[0]) == ["file", "duration_s", "silent", "vector"]
    np.testing.assert_allclose([row["vector"] for row in rows], vectors(sounds), atol=1e-5)


def test_windows_are_printed_with_their_times(embed, sounds):
    rows = [json.loads(line) for line in embed(sounds[0], "--window", 0.3).stdout.splitlines()]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 0.3), (0.15, 0.45), (0.2, 0.5)]


def test_times_of_windows_of_a_segment_are_those_of_the_file(embed, sounds, tmp_path):
    (tmp_path / "list.csv").write_text(f"file,start_s,end_s\n{sounds[2]},0.5,1.1\n")
    rows = [json.loads(line) for line in embed(tmp_path / "list.csv", "--window", 0.4).stdout.splitlines()]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [
        (0.5, 0.9),
        (0.7, 1.1),
    ]
    (tmp_path / "list.csv").write_text(f"file,start_s,end_s\n{sounds[2]},0.1,0.7\n")
    embed(tmp_path / "list.csv", "--window", 0.2, "-o", tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["start_s"] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_folder_becomes_a_file_of_speakers(embed, vectors, sounds, tmp_path, suffix):
    folder, target = tmp_path / "folder", tmp_path / f"voices.{suffix}"
    folder.mkdir()
    copies = [shutil.copy(each, folder) for each in sounds]
    assert embed(folder, "-o", target).exit_code == 0
    found = load_embeddings(target)
    assert list(found) == copies
    np.testing.assert_allclose(list(found.values()), vectors(copies), atol=1e-5)
    again = embed(folder, "-o", target)
    assert again.stderr == "photism: all 3 recordings were processed before; --force does it again\n"


def test_a_single_recording_has_a_file_too(embed, sounds, tmp_path):
    assert embed(sounds[0], "-o", tmp_path / "x.npz").exit_code == 0
    assert np.load(tmp_path / "x.npz")["vectors"].shape == (1, 10)
    assert embed(sounds[0], "-o", tmp_path / "x.jsonl").exit_code == 0
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 1


def test_unreadable_recordings_are_skipped(embed, sounds, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    result = embed(sounds[0], tmp_path / "broken.wav", "-o", tmp_path / "x.npz")
    assert result.exit_code == 2
    assert "skipped" in result.stderr
    assert len(np.load(tmp_path / "x.npz")["vectors"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.csv"], r"-o must be a file that ends in .jsonl, .parquet, .lance, .npz, .safetensors"),
        (["--layer", "1", "--kind", "prompt"], "--layer needs --kind mean; got prompt"),
        (["--hop", "1"], "--hop must be given together with --window"),
    ],
)
def test_mistakes_are_found_before_the_model_is_loaded(embed, sounds, monkeypatch, arguments, message):
    monkeypatch.setattr(AudioEmbedder, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))
    result = embed(sounds[0], *arguments)
    assert message in str(result.exception)


def test_the_device_decides_how_a_cluster_is_divided(embed, sounds, monkeypatch):
    given = []
    monkeypatch.setattr("photism.cli.embed.process", lambda *_, device=None, **__: given.append(device))
    assert embed(sounds[0], "--device", "cpu").exit_code == 0
    assert given == ["cpu"]
