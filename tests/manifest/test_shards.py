"""Recordings in WebDataset shards."""

import io
import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.manifest.places import sound_at
from photism.manifest.read import read_manifest
from photism.manifest.shards import ShardListing
from tests.fuzz.corpus import encode

FILES = {
    "a/1.flac": encode("flac"), "a/1.json": json.dumps({"id": 7, "text": "x"}).encode(), "a/1.txt": "é\n".encode(),
    "2.cls": b"dog", "2.wav": encode("wav-s16"), "3.left.wav": encode("wav-s16"), "3.right.wav": encode("flac"),
    ".hidden.wav": b"x", "README": b"text", "4": encode("ogg-opus"),
}  # fmt: skip
LOCATIONS = ["a/1", "2", "3.left.wav", "3.right.wav", "4"]


def write_shard(path: Path, files: dict[str, bytes] = FILES, mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working folder hold shard-000.tar and shard-001.tar."""
    monkeypatch.chdir(tmp_path)
    write_shard(Path("shard-000.tar"))
    write_shard(Path("shard-001.tar"), {"b.wav": encode("wav-s16")})
    return tmp_path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_files_of_one_key_are_a_recording_and_its_columns(mode: str):
    shard = "x.tar" if mode == "w" else "x.tgz"
    write_shard(Path(shard), mode=mode)
    manifest = read_manifest([shard])
    entries = list(manifest)
    assert [entry.location for entry in entries] == [f"{shard}#{key}" for key in LOCATIONS]
    assert [entry.columns for entry in entries[:2]] == [{"id": 7, "text": "é"}, {"label": "dog"}]
    assert [entry.name for entry in entries[:2]] == ["x/a/1.flac", "x/2.wav"]
    assert (manifest.count, manifest.is_collection) == (5 if mode == "w" else None, True)
    for entry in pickle.loads(pickle.dumps(entries)):
        sound = entry.sound(ReadingSettings())
        assert sound.name == entry.location
        assert [load_waveform(sound).duration_s for _ in range(2)] == pytest.approx([0.6, 0.6], abs=0.05)


@pytest.mark.parametrize("pattern", ["shard-{000..001}.tar", "shard-*.tar"])
def test_shards_of_a_pattern_in_the_order_of_their_names(pattern: str):
    locations = [entry.location for entry in read_manifest([pattern])]
    assert locations == [*(f"shard-000.tar#{key}" for key in LOCATIONS), "shard-001.tar#b"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_recording_is_opened_by_its_location_alone(folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch):
    write_shard(Path("x.tar"), mode=mode)
    Path("deep").mkdir()
    monkeypatch.chdir("deep")
    for location in ("x.tar#a/1", "x.tar#3.left.wav"):
        assert load_waveform(sound_at(location, folder=folder)).duration_s == 0.6
    with pytest.raises(InputError, match=r"^x\.tar#gone: no such recording$"):
        load_waveform(sound_at("x.tar#gone", folder=folder))
    Path("x.tar#4").write_bytes(encode("wav-s16"))
    assert load_waveform(sound_at("x.tar#4")).duration_s == 0.6


def damaged(content: bytes) -> list[bytes]:
    second = content.index(b"2.wav")
    return [
        content[:3000],  # within the first recording
        content[: second + 100],  # within the header of the second one
        content[: second + 600],  # within the second one
        content[:second] + b"?" * 512 + content[second + 512 :],  # a damaged header
        content.rstrip(b"\0")[:-1],  # within the last one
        b"not a tar file",
        b"",
    ]


@pytest.mark.parametrize("number", range(7))
def test_a_damaged_shard_is_a_problem_and_the_others_go_on(number: int):
    Path("shard-000.tar").write_bytes(damaged(Path("shard-000.tar").read_bytes())[number])
    *whole, problem, other = read_manifest(["shard-{000..001}.tar"])
    assert [entry.location for entry in whole] == [f"shard-000.tar#{key}" for key in LOCATIONS[: len(whole)]]
    assert len(whole) == [0, 1, 1, 1, 4, 0, 0][number]
    for entry in whole:
        assert load_waveform(entry.sound(ReadingSettings())).warnings == ()
    assert problem.location == "shard-000.tar"
    assert problem.problem.startswith(f"shard-000.tar: cannot be read {'after ' if whole else ''}")
    assert "\n" not in problem.problem
    assert other.location == "shard-001.tar#b"


def test_a_damaged_compressed_shard_is_a_problem():
    write_shard(Path("x.tar.gz"), mode="w:gz")
    Path("x.tar.gz").write_bytes(Path("x.tar.gz").read_bytes()[:9000])
    *whole, problem = read_manifest(["x.tar.gz"])
    assert problem.problem.startswith("x.tar.gz: cannot be read after")
    assert [entry.location for entry in whole] == [f"x.tar.gz#{key}" for key in LOCATIONS[: len(whole)]]


def test_a_missing_shard_of_a_pattern_is_a_problem():
    entries = list(read_manifest(["shard-{001..002}.tar"]))
    assert [entry.problem for entry in entries] == ["", "shard-002.tar: no such file"]


def test_text_that_cannot_be_read_is_a_problem_of_its_recording():
    write_shard(Path("x.tar"), {"1.wav": b"x", "1.json": b"{", "2.wav": b"x"})
    first, second = read_manifest(["x.tar"])
    assert first.problem.startswith("x.tar#1: its text or JSON cannot be read: Expecting")
    assert second.problem == ""


def test_the_version_of_a_recording_changes_with_its_shard():
    (before,) = read_manifest(["shard-001.tar"])
    write_shard(Path("shard-001.tar"), {"b.wav": encode("wav-s16")[::-1]})
    os.utime("shard-001.tar", ns=(1, 1))
    (after,) = read_manifest(["shard-001.tar"])
    assert before.key[:16] == after.key[:16]
    assert before.key[16:] != after.key[16:]


def test_a_pattern_without_shards_is_an_error():
    with pytest.raises(InputError, match=r"^y-\*\.tar: no shard matches this pattern$"):
        read_manifest(["y-*.tar"])
    write_shard(Path("y.tar"), {"a.txt": b"x"})
    assert [entry.problem for entry in read_manifest(["y.tar"])] == ["y.tar: no recordings in this shard"]


def test_a_shard_of_http_is_downloaded_once(monkeypatch: pytest.MonkeyPatch):
    downloads: list[str] = []

    def download(url: str, *args: Any, **kwargs: Any) -> io.BytesIO:
        assert kwargs["allow_private_urls"]
        downloads.append(url)
        return io.BytesIO(Path("shard-000.tar").read_bytes())

    listing = ShardListing(["https://example.org/x.tar"], allow_private_urls=True)
    monkeypatch.setattr("photism.audio.download.download", download)
    sounds = [load_waveform(entry.sound(ReadingSettings())) for entry in listing.entries()]
    assert [sound.duration_s for sound in sounds] == pytest.approx([0.6] * 5, abs=0.05)
    assert len(downloads) == 1
