"""Lance data sets and Parquet files as training data."""

import json
import os
import tarfile
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.lance_table import import_lance
from photism.manifest.columns import Columns
from photism.training.data.example import Example
from photism.training.data.readers import fingerprint, read_examples
from photism.training.settings import ClassifySettings
from photism.training.tasks.classify import CLASSIFY

SCORED = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))
INDEXED = pa.schema(
    [
        ("id", pa.string()),
        ("location", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("vector", pa.list_(pa.float32(), 4)),
        ("labels", SCORED),
        ("text", pa.string()),
        ("kind", pa.string()),
        ("split", pa.string()),
    ],
    metadata={"photism": json.dumps({"computed": ["labels", "text", "vector"]})},
)


def indexed(folder) -> pa.Table:
    """Return rows as `photism index` writes them, with columns kind and split of a manifest."""
    return pa.table(
        {
            "id": list("abcd"),
            "location": [str(folder / f"{number}.wav") for number in (0, 1, 1)] + ["https://example.org/x.ogg"],
            "start_s": [0.0, 0.0, 0.5, 0.0],
            "end_s": [None, 0.5, 1.0, None],
            "vector": [[1.0, 0.0, 0.0, 0.0]] * 4,
            "labels": [
                [{"label": "cat", "score": 0.2}, {"label": "dog", "score": 0.9}],
                [{"label": "cat", "score": 0.6}],
                [],
                None,
            ],
            "text": ["one", "two", "three", None],
            "kind": ["dog", "cat", "dog", "cat"],
            "split": ["train", "train", "train", "test"],
        },
        schema=INDEXED,
    )


def write(table: pa.Table, path) -> str:
    if path.suffix == ".lance":
        import_lance().write_dataset(table, path, mode="overwrite")
    else:
        pyarrow.parquet.write_table(table, path)
    return str(path)


def read(data: str, *, label_column: str | None = None, sound_column: str | None = None, limit: int | None = None):
    """Return the source of examples with classes as texts, as for a classifier."""
    settings = ClassifySettings(data=data, output="out", label_column=label_column)
    return read_examples(
        data,
        lambda row: CLASSIFY.read_row(row, settings),
        read_columns=lambda row: CLASSIFY.columns(row, settings),
        sound_column=sound_column,
        named_columns=[label_column] if label_column else [],
        limit=limit,
    )


@pytest.fixture(scope="module", params=["sounds.lance", "sounds.parquet"])
def data(request, captioned, tmp_path_factory) -> str:
    return write(indexed(captioned), tmp_path_factory.mktemp("arrow") / request.param)


def test_rows_of_an_index_are_examples_with_segments(data, captioned):
    columns, url = Columns(("kind",)), "https://example.org/x.ogg"
    zero, one = str(captioned / "0.wav"), str(captioned / "1.wav")
    examples = list(read(data, label_column="kind"))
    assert [replace(example, sound=None) for example in examples] == [
        Example(zero, None, ("dog",), "train", columns=columns),
        Example(one, None, ("cat",), "train", 0.0, 0.5, columns=columns),
        Example(one, None, ("dog",), "train", 0.5, 1.0, columns=columns),
        Example(url, None, ("cat",), "validation", columns=columns),
    ]
    assert [example.sound.source for example in examples] == [zero, one, one, url]


def test_columns_that_a_model_computed_are_targets_only_by_name(data):
    with pytest.raises(InputError, match="has no column with targets but labels, which a model computed; name the one"):
        read(data)
    assert read(data, label_column="kind").notes == []
    source = read(data, label_column="labels")
    assert source.notes == ["a model computed column labels, which is read as if it were right"]
    assert [example.texts for example in source] == [("dog",), ("cat",), (), ()]
    assert [example.texts for example in read(data, label_column="text")] == [("one",), ("two",), ("three",), ()]


def test_a_computed_column_next_to_targets_is_reported(captioned, tmp_path):
    table = indexed(captioned)
    source = read(write(table.append_column("label", table["kind"]), tmp_path / "x.lance"))
    assert source.notes == ["a model computed column labels, which is not read"]
    assert [example.texts for example in source] == [("dog",), ("cat",), ("dog",), ("cat",)]


def test_scored_labels_are_computed_without_metadata_too(captioned, tmp_path):
    table = indexed(captioned).replace_schema_metadata(None)
    with pytest.raises(InputError, match="no column with targets but labels"):
        read(write(table, tmp_path / "x.lance"))


def test_a_column_that_does_not_exist_is_named_with_those_that_do(data):
    with pytest.raises(InputError, match=r"sounds.\w+ has no column genre; its columns are id, location, .*, split$"):
        read(data, label_column="genre")


def test_a_limit_chooses_from_all_splits_and_classes(data):
    assert [example.start_s for example in read(data, label_column="kind", limit=3)] == [0.0, 0.0, 0.0]
    assert [example.split for example in read(data, label_column="kind", limit=3)] == ["train", "train", "validation"]


@pytest.mark.parametrize("name", ["x.lance", "x.parquet"])
@pytest.mark.parametrize("as_feature", [False, True], ids=["bytes", "Audio feature"])
def test_recordings_as_bytes(name, as_feature, captioned, tmp_path):
    sounds = [(captioned / f"{number}.wav").read_bytes() for number in range(3)]
    values = [{"bytes": sound, "path": f"{number}.wav"} for number, sound in enumerate(sounds)]
    table = pa.table({"audio": values if as_feature else sounds, "label": ["a", "a", "b"]})
    path = write(table, tmp_path / name)
    expected = [f"{number}.wav" if as_feature else f"{name}/{number}" for number in range(3)]
    examples = list(read(path))
    assert [(example.name, example.texts) for example in examples] == list(
        zip(expected, [("a",), ("a",), ("b",)], strict=True)
    )
    for example, sound in zip(examples, sounds, strict=True):
        np.testing.assert_array_equal(load_waveform(example.sound).samples, load_waveform(sound).samples)
    assert [example.name for example in read(path, limit=2)] == [expected[0], expected[2]]


def test_lance_blobs_are_recordings(captioned, tmp_path):
    sound = (captioned / "0.wav").read_bytes()
    field = pa.field("audio", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    table = pa.table({"audio": [sound], "label": ["a"]}, schema=pa.schema([field, ("label", pa.string())]))
    (example,) = read(write(table, tmp_path / "x.lance"))
    assert example.sound == sound


def test_relative_paths(captioned, tmp_path, monkeypatch):
    data = write(pa.table({"file": ["sounds/0.wav", "here.wav"], "label": ["a", "b"]}), tmp_path / "x.parquet")
    (tmp_path / "sounds").symlink_to(captioned)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "here.wav").symlink_to(captioned / "1.wav")
    monkeypatch.chdir(elsewhere)
    for given in (data, os.path.relpath(data)):
        for example, name in zip(read(given), ("0.wav", "1.wav"), strict=True):
            expected = load_waveform(captioned / name).samples
            np.testing.assert_array_equal(load_waveform(example.sound).samples, expected)


def test_recordings_in_a_shard(captioned, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as shard:
        shard.add(captioned / "0.wav", "a.wav")
    data = write(pa.table({"location": [str(tmp_path / "x.tar#a")], "label": ["dog"]}), tmp_path / "x.lance")
    (example,) = read(data)
    expected = load_waveform(captioned / "0.wav").samples
    np.testing.assert_array_equal(load_waveform(example.sound).samples, expected)


def test_classes_of_a_parquet_file_of_datasets_have_names(captioned, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"file": Value("string"), "label": ClassLabel(names=["dog", "cat"])})
    files = [str(captioned / "0.wav"), str(captioned / "1.wav")]
    Dataset.from_dict({"file": files, "label": [1, 0]}, features=features).to_parquet(tmp_path / "x.parquet")
    assert [example.texts for example in read(str(tmp_path / "x.parquet"))] == [("cat",), ("dog",)]


def test_the_fingerprint_changes_with_the_rows(captioned, tmp_path):
    for name in ("x.lance", "x.parquet"):
        data = write(indexed(captioned), tmp_path / name)
        before = fingerprint(data)
        assert fingerprint(data) == before
        write(indexed(captioned).slice(1), tmp_path / name)
        assert fingerprint(data) != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.lance", "missing.lance: no such Lance data set"),
        ("missing.parquet", "missing.parquet: no such Parquet file"),
        ("damaged.parquet", "damaged.parquet is not a Parquet file: "),
        ("empty.lance", "empty.lance is not a Lance data set: "),
    ],
)
def test_data_that_cannot_be_read(name, message, tmp_path):
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "empty.lance").mkdir()
    for reading in (partial(read, str(tmp_path / name)), partial(fingerprint, str(tmp_path / name))):
        with pytest.raises(InputError, match=message):
            reading()
