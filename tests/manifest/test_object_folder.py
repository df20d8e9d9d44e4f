"""Recordings in object storage, which the in-memory file system of fsspec stands for."""

import pickle
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError, RecordingWarning
from photism.manifest.files import place_entry
from photism.manifest.read import read_manifest
from tests.fuzz.corpus import encode


@pytest.fixture
def bucket() -> Iterator[Any]:
    """Fill memory://bucket."""
    system = fsspec.filesystem("memory")
    for name in ("b.wav", "a/1.wav", "a/2.flac", "a/.hidden.wav", "a/noise"):
        system.pipe(f"/bucket/{name}", encode("flac"))
    system.pipe("/bucket/notes.txt", b"text")
    system.pipe("/bucket/list.csv", b"file,text\na/1.wav,one\ngone.wav,two\n")
    yield system
    system.rm("/bucket", recursive=True)


def test_a_folder_a_pattern_and_a_file(bucket: Any):
    manifest = read_manifest(["memory://bucket"])
    locations = [entry.location for entry in manifest]
    assert locations == [f"memory://bucket/{name}" for name in ("a/1.wav", "a/2.flac", "a/noise", "b.wav")]
    assert [entry.name for entry in manifest] == ["a/1.wav", "a/2.flac", "a/noise", "b.wav"]
    assert (manifest.folders, manifest.count, manifest.is_collection) == (("memory://bucket",), 4, True)
    by_pattern = list(read_manifest(["memory://bucket/**/*.wav"]))
    assert [(entry.location, entry.name) for entry in by_pattern] == [
        ("memory://bucket/a/1.wav", "a/1.wav"), ("memory://bucket/b.wav", "b.wav")
    ]  # fmt: skip
    (single,) = read_manifest(["memory://bucket/b.wav"])
    assert single.key == list(manifest)[-1].key
    sound = pickle.loads(pickle.dumps(single)).sound(ReadingSettings())
    assert load_waveform(sound).duration_s == load_waveform("memory://bucket/b.wav").duration_s == 0.6


def test_the_version_changes_with_the_object(bucket: Any):
    (before,) = read_manifest(["memory://bucket/b.wav"])
    bucket.pipe("/bucket/b.wav", encode("wav-s16"))
    (after,) = read_manifest(["memory://bucket/b.wav"])
    assert before.key[:16] == after.key[:16]
    assert before.key[16:] != after.key[16:]


def test_the_rows_of_a_table_are_relative_to_its_folder(bucket: Any):
    one, gone = read_manifest(["memory://bucket/list.csv"])
    assert (one.location, one.columns, one.problem) == ("memory://bucket/a/1.wav", {"text": "one"}, "")
    assert gone.problem == "memory://bucket/gone.wav: no such file"


@pytest.mark.parametrize("name", ["x.tar", "*.tar", "{x..x}.tar"])
def test_a_shard_in_object_storage(bucket: Any, name: str):
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        header = tarfile.TarInfo("1.flac")
        header.size = len(encode("flac"))
        tar.addfile(header, BytesIO(encode("flac")))
    bucket.pipe("/bucket/x.tar", content.getvalue())
    (entry,) = read_manifest([f"memory://bucket/{name}"])
    assert entry.location.endswith("bucket/x.tar#1")
    assert load_waveform(entry.sound(ReadingSettings())).duration_s == 0.6


def test_a_zip_file_is_a_folder(tmp_path: Path, bucket: Any):
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as file:
        file.writestr("a/1.wav", encode("wav-s16"))
    bucket.put(str(tmp_path / "sounds.zip"), "/bucket/sounds.zip")
    (entry,) = read_manifest(["zip://::memory://bucket/sounds.zip"])
    assert (entry.location, entry.name) == ("zip://a/1.wav::memory://bucket/sounds.zip", "a/1.wav")
    assert load_waveform(entry.sound(ReadingSettings())).duration_s == 0.6


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/gone.wav", r"^memory://bucket/gone\.wav: no such file$"),
        ("memory://bucket/*.aac", r"^memory://bucket/\*\.aac: no recording matches this pattern$"),
        ("s3://bucket/a.wav", r"^s3://bucket/a\.wav: cannot be opened \(Install s3fs to access S3\)$"),
        ("zip://a.wav::http://127.0.0.1/a.zip", "the address of an http URL in a chain is not checked; allow it by"),
    ],
)
def test_what_cannot_be_opened_is_one_line(bucket: Any, url: str, message: str):
    with pytest.raises(InputError, match=message):
        read_manifest([url])


def test_credentials_are_in_no_location_id_or_message(bucket: Any, monkeypatch: pytest.MonkeyPatch):
    def fail(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(f"user:hush%21 and hush! were refused at {path}")

    url = "memory://user:hush%21@bucket/b.wav?token=hush!"
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", fail)
    with pytest.raises(InputError) as raised:
        read_manifest([url])
    assert "hush" not in str(raised.value)
    entries = [place_entry(each, "b.wav") for each in (url, url.replace("hush", "other"))]
    assert "hush" not in repr(entries[0])


def test_folders_and_patterns_in_a_list(bucket: Any):
    lines = ["a", "memory://bucket/*.wav", "b.wav", "memory://bucket/*.aac ", "gone.flac"]
    bucket.pipe("/bucket/list.txt", "\n".join(lines).encode())
    with pytest.warns(RecordingWarning, match="listed more than once"):
        entries = list(read_manifest(["@memory://bucket/list.txt"]))
    assert [(entry.location, entry.problem) for entry in entries] == [
        *((f"memory://bucket/{name}", "") for name in ("a/1.wav", "a/2.flac", "a/noise", "b.wav")),
        ("memory://bucket/*.aac", "memory://bucket/*.aac: no recordings"),
        ("memory://bucket/gone.flac", "memory://bucket/gone.flac: no such file"),
    ]
    assert [entry.name for entry in entries][:4] == ["a/1.wav", "a/2.flac", "a/noise", "b.wav"]
    assert read_manifest(["@memory://bucket/list.txt"]).count is None
    bucket.pipe("/bucket/list.txt", b"a/1.wav\nb.wav\n")
    assert read_manifest(["@memory://bucket/list.txt"]).count == 2


@pytest.mark.parametrize("name", ["", "b.wav", "**/*.wav"])
def test_private_addresses_are_accepted_in_folders_too(bucket: Any, monkeypatch: pytest.MonkeyPatch, name: str):
    def to_bucket(url: str) -> tuple[Any, str]:
        path = url.partition("://")[2].partition("::")[0].lstrip("/").removeprefix("bucket")
        return bucket, f"/bucket/{path.lstrip('/')}".rstrip("/")

    monkeypatch.setattr("fsspec.core.url_to_fs", to_bucket)
    given, reading = f"zip:///{name}::http://127.0.0.1/a.zip", ReadingSettings(allow_private_urls=True)
    with pytest.raises(InputError, match="is not checked; allow it by"):
        read_manifest([given])
    entry = next(iter(read_manifest([given], reading=reading)))
    assert load_waveform(entry.sound(reading)).duration_s == 0.6


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", b"file\nb.wav\n"), ("list.jsonl", b'{"file": "b.wav"}'), ("list.json", b'[{"file": "b.wav"}]'),
        ("@list.txt", b"b.wav\n"),
    ],
)  # fmt: skip
def test_private_addresses_are_accepted_for_lists_too(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes):
    def download(url: str, *args: Any, allow_private_urls: bool, **kwargs: Any) -> BytesIO:
        if not allow_private_urls:
            raise InputError("private")
        return BytesIO(content)

    monkeypatch.setattr("photism.audio.download.download", download)
    given = f"{'@' * name.startswith('@')}http://127.0.0.1/{name.removeprefix('@')}"
    with pytest.raises(InputError, match=r"^private$"):
        read_manifest([given])
    manifest = read_manifest([given], reading=ReadingSettings(allow_private_urls=True))
    assert [entry.location for entry in manifest] == ["http://127.0.0.1/b.wav"]
    assert manifest.count == 1
