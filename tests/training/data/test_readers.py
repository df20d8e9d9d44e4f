import io
import json
import os
import shutil
import tarfile
from functools import partial
from pathlib import Path

import pytest

from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.training.data.captions import captions_of_row
from photism.training.data.example import Example
from photism.training.data.readers import fingerprint, read_examples


def read(data, *, sound=None, text=None, label_template="{labels}") -> list[Example]:
    """Return the examples with captions as texts, as for an alignment."""
    texts = partial(captions_of_row, text_columns=text, label_template=label_template)
    return list(read_examples(str(data), texts, sound_column=sound))


def test_a_csv_lists_files_texts_and_splits(captioned):
    examples = read(captioned)
    assert len(examples) == 18
    assert examples[1] == Example("1.wav", captioned / "1.wav", ("an elephant",), "train")
    assert [example.split for example in examples].count("validation") == 3


def test_jsonl_with_segments_and_several_captions(tmp_path):
    rows = [
        {"file_name": "a.wav", "caption": ["a dog", "a dog that barks"], "start": 1, "end": 2.5},
        {"file_name": "a.wav", "caption": "a cat", "start": 3},
        {"file_name": "a.wav", "caption": "the cat", "start": 3},
        {"file_name": "https://example.org/b.wav", "labels": ["Rain", "Wind"], "split": "val"},
        {"file_name": "c.wav"},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(tmp_path) == [
        Example("a.wav", tmp_path / "a.wav", ("a dog", "a dog that barks"), None, 1.0, 2.5),
        Example("a.wav", tmp_path / "a.wav", ("a cat", "the cat"), None, 3.0),
        Example("https://example.org/b.wav", "https://example.org/b.wav", ("Rain Wind",), "validation"),
        Example("c.wav", tmp_path / "c.wav", (), None),
    ]


def test_columns_may_be_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("clip,c1,c2,text\nx.ogg,one,two,three\n")
    (example,) = read(tmp_path, sound="clip", text=("c1", "c2"))
    assert (example.name, example.texts) == ("x.ogg", ("one", "two"))


def test_names_of_classes_can_be_written_in_utf8(captioned, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    shutil.copy(captioned / "0.wav", folder / "0.wav")
    (example,) = read(tmp_path)
    assert (example.sound, example.texts) == (folder / "0.wav", (r"caf\udce9",))


def test_folders_are_labels(captioned, tmp_path):
    for name in ("train/Electric_guitar/1.wav", "test/Rain/2.wav", "train/Rain/deep/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(captioned / "0.wav", tmp_path / name)
    (tmp_path / "train/Rain/note.txt").write_text("not a sound")
    found = {example.name: (example.texts, example.split) for example in read(tmp_path, label_template="{label}!")}
    assert found == {
        "train/Electric_guitar/1.wav": (("Electric guitar!",), "train"),
        "test/Rain/2.wav": (("Rain!",), "validation"),
        "train/Rain/deep/3.wav": (("deep!",), "train"),
    }


def write_shard(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as shard:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))


def test_web_dataset(captioned, tmp_path):
    sound = (captioned / "0.wav").read_bytes()
    write_shard(
        tmp_path / "s-000.tar", {"a.wav": sound, "a.txt": b"a dog\na hound\n", "b.wav": sound, "b.cls": b"Rain"}
    )
    about = json.dumps({"caption": "the sea", "start": 0.1, "split": "test"}).encode()
    write_shard(tmp_path / "s-001.tar", {"c.wav": sound, "c.json": about})
    for shards in ("s-{000..001}.tar", "s-*.tar"):
        first, second, third = read(tmp_path / shards)
        assert (first.name, first.texts, first.split) == ("a", ("a dog", "a hound"), None)
        assert second.texts == ("Rain",)
        assert (third.texts, third.split, third.start_s) == (("the sea",), "validation", 0.1)
        assert load_waveform(first.sound).duration_s == load_waveform(captioned / "0.wav").duration_s


def test_a_key_without_a_recording_is_an_example_without_one(captioned, tmp_path):
    sound = (captioned / "0.wav").read_bytes()
    write_shard(tmp_path / "s.tar", {"a.txt": b"a dog", "b.wav": sound, "b.txt": b"a cat"})
    assert [(each.name, each.sound is None) for each in read(tmp_path / "s.tar")] == [("a", True), ("b", False)]
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,a dog\n,a cat\n")
    assert [each.sound is None for each in read(tmp_path)] == [False, True]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.wav": b"", "a.json": b"{no"}, "s.tar must be complete shards .*: .*Expecting property name"),
        ({"a.txt": b"\xff"}, "s.tar must be complete shards .*: .*invalid start byte"),
        ({"a.wav": b"", "a.json": b"[1]"}, r"data must describe each recording by a JSON object; got \[1\]"),
    ],
)
def test_shards_that_cannot_be_read(tmp_path, files, message):
    write_shard(tmp_path / "s.tar", files)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "s.tar")


def test_truncated_and_missing_shards(captioned, tmp_path):
    write_shard(tmp_path / "s.tar", {"a.wav": (captioned / "0.wav").read_bytes() * 4, "a.txt": b"a dog"})
    whole = (tmp_path / "s.tar").read_bytes()
    (tmp_path / "s.tar").write_bytes(whole[: len(whole) // 2])
    for name in ("s.tar", "gone.tar"):
        with pytest.raises(InputError, match=f"{name} must be complete shards"):
            read(tmp_path / name)


@pytest.fixture(scope="module")
def tables(captioned, tmp_path_factory):
    """The Audio feature of `datasets` in Parquet, as the hub has it, and saved by `datasets`."""
    import datasets
    import pyarrow
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("tables")
    features = datasets.Features(
        {
            "audio": datasets.Audio(),
            "label": datasets.ClassLabel(names=["Dog", "Keyboard_(musical)"]),
            "tags": datasets.List(datasets.ClassLabel(names=["Rain", "Wind"])),
        }
    )
    sound = {"bytes": (captioned / "0.wav").read_bytes(), "path": "0.wav"}
    for split, labels in (("train", [0, 1, -1]), ("test", [1])):
        table = {"audio": [sound] * len(labels), "label": labels, "tags": [[0, 1]] * len(labels)}
        parquet.write_table(pyarrow.table(table, schema=features.arrow_schema), folder / f"{split}-0.parquet")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(folder / "cache"))
    loaded.save_to_disk(folder / "saved")
    return folder


@pytest.mark.parametrize("where", ["", "saved"])
def test_data_sets(tables, where):
    examples = read(tables / where)
    assert [(each.texts, each.split) for each in examples] == [
        (("Dog",), "train"),
        (("Keyboard musical",), "train"),
        ((), "train"),
        (("Keyboard musical",), "validation"),
    ]
    assert load_waveform(examples[0].sound).duration_s == pytest.approx(0.5)


def test_decoded_samples_take_precedence_over_their_file(captioned, tmp_path):
    import datasets

    decoded = {"array": [0.0, 0.5] * 400, "sampling_rate": 16000, "path": str(captioned / "0.wav")}
    datasets.Dataset.from_list([{"audio": decoded, "text": "a buzz"}]).save_to_disk(tmp_path)
    (example,) = read(tmp_path)
    assert (example.name, load_waveform(example.sound).duration_s) == (str(captioned / "0.wav"), 0.05)


def test_lists_of_classes(tables):
    examples = read(tables, label_template="{label}", text=("tags",))
    assert {each.texts for each in examples} == {("Rain", "Wind")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\na dog\n", "data needs a column audio or file_name .* with the recording; it has text"),
        ("file_name,text,split\na.wav,a dog,third\n", "split must be one of train, .*; got third"),
        ("file_name,text,split\na.wav,a dog,train\na.wav,hound,test\n", "puts a.wav in two splits"),
        ("file_name,text,start\na.wav,a dog,soon\n", "start must be seconds; a.wav has 'soon'"),
        ("file_name,text,start\n,a dog,soon\n", "start must be seconds; .*has 'soon'"),
        ("file_name,text\n", "lists no recordings"),
        ("\x00\xff", "must be UTF-8"),
    ],
)
def test_bad_lists(tmp_path, content, message):
    (tmp_path / "metadata.csv").write_text(content, encoding="latin1")
    with pytest.raises(InputError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('["a.wav", "a dog"]', r"data must describe each recording by a JSON object; got \['a.wav', 'a dog'\]"),
        ('{"file_name": "a.wav", "text": "a dog", "split": 3}', "split must be one of train, .*; got 3"),
        ('{"file_name": "a.wav", "text": "a dog"', "cannot be read"),
    ],
)
def test_bad_lines(tmp_path, line, message):
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_missing_data(tmp_path):
    with pytest.raises(InputError, match=r"^data .*no-such-data: no such file or folder$"):
        read(tmp_path / "no-such-data")
    with pytest.raises(InputError, match="shards that exist; no file matches"):
        read(tmp_path / "*.tar")
    (tmp_path / "sound.wav").write_bytes(b"")
    with pytest.raises(InputError, match="is another file"):
        read(tmp_path / "sound.wav")
    for name in ("metadata.csv", "metadata.jsonl"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=r"has both metadata\.csv and metadata\.jsonl"):
        read(tmp_path)


def test_a_fingerprint_changes_with_the_data(captioned, tmp_path):
    shutil.copytree(captioned, tmp_path / "copy")
    before = fingerprint(str(tmp_path / "copy"))
    assert fingerprint(str(tmp_path / "copy")) == before
    (tmp_path / "copy" / "0.wav").write_bytes(b"")
    assert fingerprint(str(tmp_path / "copy")) != before


@pytest.mark.parametrize("pattern", ["s-000.tar", "s-{000..001}.tar", "s-*.tar"])
def test_a_fingerprint_changes_with_the_shards(tmp_path, pattern):
    for number in (0, 1):
        write_shard(tmp_path / f"s-00{number}.tar", {"a.txt": b"a dog"})
    before = fingerprint(str(tmp_path / pattern))
    assert fingerprint(str(tmp_path / pattern)) == before
    write_shard(tmp_path / "s-000.tar", {"a.txt": b"a dog" * 4000})
    assert fingerprint(str(tmp_path / pattern)) != before


def test_a_null_does_not_move_a_row_of_the_test_split_into_training(captioned, tmp_path):
    import datasets

    sound = str(captioned / "0.wav")
    rows = [{"file": sound, "text": "rain", "split": None, "name": None}] * 2
    own = [{"file": sound, "text": "rain", "split": "val", "name": "a"}]
    splits = {"train": datasets.Dataset.from_list([*rows, *own]), "test": datasets.Dataset.from_list(rows)}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    found = list(read_examples(str(tmp_path / "saved"), captions_of_row, read_group=lambda row: row["name"]))
    assert [example.split for example in found] == ["train", "train", "validation", "validation", "validation"]
    assert [example.group for example in found] == ["train/0", "train/1", "a", "test/0", "test/1"]


def test_a_null_does_not_contradict_a_split(tmp_path):
    rows = [
        {"file_name": "a.wav", "text": text, "split": split} for text, split in (("a dog", None), ("hound", "test"))
    ]
    for listed in (rows, rows[::-1]):
        (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
        (example,) = read(tmp_path)
        assert (example.split, set(example.texts)) == ("validation", {"a dog", "hound"})


@pytest.mark.parametrize("missing", [None, float("nan"), "", " ", "null", "NaN", "None", "N/A"])
def test_what_is_not_a_split(tmp_path, missing):
    row = {"file_name": "a.wav", "text": "a dog", "split": missing, "end": float("nan")}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    (example,) = read(tmp_path)
    assert (example.split, example.end_s) == (None, None)


def test_a_nan_is_no_text(tmp_path):
    rows = '{"file_name": "a.wav", "text": NaN, "sentence": "a dog"}\n{"file_name": NaN, "text": "a cat"}\n'
    (tmp_path / "metadata.jsonl").write_text(rows)
    assert [(each.texts, each.sound is None) for each in read(tmp_path)] == [(("a dog",), False), (("a cat",), True)]


def test_lists_in_the_folders_of_splits(tmp_path):
    for split, text in (("train", "rain"), ("test-other", "wind"), ("other", "snow")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.csv").write_text(f"file_name,text\na.wav,{text}\n")
    assert [(each.name, each.sound, each.texts, each.split) for each in read(tmp_path)] == [
        ("test-other/a.wav", tmp_path / "test-other" / "a.wav", ("wind",), "validation"),
        ("train/a.wav", tmp_path / "train" / "a.wav", ("rain",), "train"),
    ]


def test_what_is_not_read_is_named(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "labels.csv").write_text("a.wav,dog\n")
    assert read_examples(str(tmp_path), captions_of_row).notes == ["these lists are not read: labels.csv"]
    (tmp_path / "metadata.csv").write_text("file_name,text\n./a.wav,a dog\n")
    assert read_examples(str(tmp_path), captions_of_row).notes == [
        "the data are read from metadata.csv; these lists are not read: labels.csv",
        "2 recordings are not in the lists and are not read: b.wav; c.wav",
    ]


def test_a_limit_chooses_from_all_classes(tmp_path):
    rows = [{"file_name": f"{name}{number}.wav", "label": name} for name in "abc" for number in range(20)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = read_examples(str(tmp_path), captions_of_row, limit=6)
    assert [example.texts[0] for example in source] == ["a", "a", "b", "b", "c", "c"]
    assert source.notes == []
    write_shard(tmp_path / "s.tar", {"a.txt": b"a dog"})
    assert "first recordings of a stream" in read_examples(str(tmp_path / "s.tar"), captions_of_row, limit=6).notes[0]


def test_a_limit_of_a_saved_data_set_and_its_other_splits(captioned, tmp_path):
    import datasets

    rows = [{"file": str(captioned / "0.wav"), "text": text} for text in ["rain"] * 5 + ["wind"]]
    splits = {name: datasets.Dataset.from_list(rows) for name in ("train.clean", "test", "invalidated")}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    source = read_examples(str(tmp_path / "saved"), captions_of_row, limit=4)
    assert [(each.texts, each.split) for each in source] == [
        (("rain",), "train"), (("wind",), "train"), (("rain",), "validation"), (("wind",), "validation"),
    ]  # fmt: skip
    assert source.notes == ["these splits are not read: invalidated"]


def test_a_class_file_does_not_replace_a_caption_of_a_shard(tmp_path):
    write_shard(tmp_path / "s.tar", {"a.wav": b"", "a.cls": b"3", "a.txt": b"a dog"})
    (example,) = read(tmp_path / "s.tar")
    assert example.texts == ("a dog",)
