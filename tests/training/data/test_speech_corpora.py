"""Published corpora as they are unpacked, without audio: each file is empty."""

from pathlib import Path

import pytest

from photism.errors import InputError
from photism.training.data.readers import read_examples


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf8")
    return folder


def read(folder: Path):
    """Return name, file, transcript, speaker and split of each example, and the notes."""
    source = read_examples(
        str(folder),
        lambda row: (row.get("sentence") or row.get("text") or "",),
        read_group=lambda row: row.get("client_id") or row.get("speaker"),
    )
    assert all(str(folder / each.name) == str(each.sound) for each in source)
    return [(each.name, each.texts[0], each.group, each.split) for each in source], source.notes


HEADER = "client_id\tpath\tsentence\tup_votes\n"


def test_common_voice(tmp_path):
    make(
        tmp_path,
        {
            "train.tsv": f'{HEADER}s1\ta.mp3\t"Yes, he said.\t2\n',
            "dev.tsv": f"{HEADER}s2\tb\tNo.\t2\n",
            "test.tsv": f"{HEADER}s3\tc.mp3\tPerhaps.\t2\n",
            "validated.tsv": f"{HEADER}s4\td.mp3\tWhy?\t2\n",
            "other.tsv": HEADER,
            **{f"clips/{name}.mp3": "" for name in "abcd"},
        },
    )
    rows, notes = read(tmp_path)
    assert rows == [
        ("clips/a.mp3", '"Yes, he said.', "s1", "train"),
        ("clips/b.mp3", "No.", "s2", "validation"),
        ("clips/c.mp3", "Perhaps.", "s3", "validation"),
    ]
    assert notes == [
        "the data are read from dev.tsv, test.tsv, train.tsv; these lists are not read: other.tsv; validated.tsv",
        "1 recordings are not in the lists and are not read: clips/d.mp3",
    ]


def test_common_voice_without_splits(tmp_path):
    make(tmp_path, {"validated.tsv": f"{HEADER}s4\td.mp3\tWhy?\t2\n", "clips/d.mp3": ""})
    assert read(tmp_path) == ([("clips/d.mp3", "Why?", "s4", None)], [])


def test_ljspeech(tmp_path):
    lines = 'LJ1|in 1990, "he|in nineteen ninety, "he\nLJ2|plain|\nLJ3.wav|two fields\nLJ4|gone|gone\n'
    make(tmp_path, {"metadata.csv": lines, **{f"wavs/LJ{number}.wav": "" for number in (1, 2, 3, 9)}})
    rows, notes = read(tmp_path)
    assert rows == [
        ("wavs/LJ1.wav", 'in nineteen ninety, "he', None, None),
        ("wavs/LJ2.wav", "plain", None, None),
        ("wavs/LJ3.wav", "two fields", None, None),
        ("wavs/LJ4.wav", "gone", None, None),
    ]
    assert notes == ["1 recordings are not in the lists and are not read: wavs/LJ9.wav"]
    make(tmp_path, {"metadata.csv": "LJ1|a\nLJ2|a|b|c\n"})
    with pytest.raises(InputError, match=r"metadata.csv, line 2, must be name\|transcript .*; it has 4 fields"):
        read(tmp_path)


def test_librispeech(tmp_path):
    make(
        tmp_path,
        {
            "LibriSpeech/train-clean-100/84/121123/84-121123.trans.txt": "84-121123-0000 GO DO\n84-121123-0001 YOU\n",
            "LibriSpeech/train-clean-100/84/121123/84-121123-0000.flac": "",
            "LibriSpeech/train-clean-100/84/121123/84-121123-0001.wav": "",
            "LibriSpeech/test-other/9/1/9-1.trans.txt": "9-1-0000 HEAR\n",
        },
    )
    rows, notes = read(tmp_path)
    assert rows == [
        ("LibriSpeech/test-other/9/1/9-1-0000.flac", "HEAR", "9", "validation"),
        ("LibriSpeech/train-clean-100/84/121123/84-121123-0000.flac", "GO DO", "84", "train"),
        ("LibriSpeech/train-clean-100/84/121123/84-121123-0001.wav", "YOU", "84", "train"),
    ]
    assert notes == []


def test_mls(tmp_path):
    make(
        tmp_path,
        {
            "train/transcripts.txt": "10_20_000001\tla casa\n",
            "train/audio/10/20/10_20_000001.opus": "",
            "dev/transcripts.txt": "11_21_000000\tel mar\n",
            "dev/audio/11/21/11_21_000000.flac": "",
        },
    )
    assert read(tmp_path)[0] == [
        ("dev/audio/11/21/11_21_000000.flac", "el mar", "11", "validation"),
        ("train/audio/10/20/10_20_000001.opus", "la casa", "10", "train"),
    ]
