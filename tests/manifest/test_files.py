"""Entries of single recordings."""

from io import BytesIO

import pytest

from photism.errors import InputError
from photism.manifest.files import place_entry
from photism.manifest.read import read_manifest
from photism.manifest.shards import ShardListing
from tests.manifest.test_shards import write_shard

URL = "https://user:hush@example.org/a.wav"


@pytest.mark.parametrize("parameter", ["key", "file_key", "author", "keyword"])
def test_urls_with_another_parameter_are_other_recordings(parameter: str):
    urls = [f"{URL}?{parameter}={number}hush" for number in range(3)]
    entries = list(read_manifest([*urls, "https://example.org/b.wav"]))
    assert len({entry.key[:16] for entry in entries}) == 4
    assert "hush" not in repr(entries)
    assert entries[0].location == f"https://example.org/a.wav?{parameter}=***"


@pytest.mark.parametrize(
    "query",
    [
        "sig={}", "X-Amz-Date={}&X-Amz-Expires=60&X-Amz-Signature={}", "Expires={}&Signature={}", "id=7&token={}",
        "key=7&access_token={}", "key=7&api_key={}",
    ],
)  # fmt: skip
def test_a_url_that_is_signed_again_is_the_same_recording(query: str):
    keys = {place_entry(f"{URL}?{query.format(each, each)}", "a.wav").key for each in ("1", "2")}
    assert len(keys) == 1


def test_the_key_of_a_url_without_secrets_is_that_of_its_location():
    entry = place_entry("https://example.org/a.wav?id=7", "a.wav")
    assert (entry.identity, entry.absolute_location) == ("", "https://example.org/a.wav?id=7")


def test_shards_whose_urls_have_another_key_hold_other_recordings(tmp_path, monkeypatch: pytest.MonkeyPatch):
    write_shard(tmp_path / "x.tar")
    monkeypatch.setattr("photism.audio.download.download", lambda *_, **__: (tmp_path / "x.tar").open("rb"))
    entries = list(ShardListing([f"https://example.org/x.tar?key={key}" for key in (1, 2)]).entries())
    assert len({entry.key for entry in entries}) == len(entries) == 10


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", b'file,text\na.wav,"x"y\n'), ("list.csv", b"text\nx\n"), ("list.csv", b""), ("list.json", b"["),
        ("list.jsonl", b"{\n"), ("list.json", b"[7]"), ("list.parquet", b"x"), ("list.jsonl", b'{"file": ""}\n'),
    ],
)  # fmt: skip
def test_the_messages_of_a_table_do_not_contain_the_secrets_of_its_url(
    name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("photism.audio.download.download", lambda *_, **__: BytesIO(content))
    try:
        text = repr(list(read_manifest([f"https://me:hush@example.org/{name}?key=hush"])))
    except InputError as error:
        text = str(error)
    assert f"https://example.org/{name}?key=***" in text
    assert "hush" not in text
