"""The example recordings, which are copied where nothing else is overwritten."""

import csv
import json

import pytest

from photism.errors import InputError
from photism.examples import copy_examples
from photism.extras import install_command
from photism.hub import bundled_model

EXAMPLES = bundled_model() / "examples"
NAMES = [
    "banana.es.ogg",
    "butterfly.ca.ogg",
    "dolphin.ro.ogg",
    "elephant.en.ogg",
    "strawberry.fr.ogg",
    "tomato.ru.ogg",
]


def test_the_examples_are_copied_into_a_new_folder(tmp_path):
    folder = tmp_path / "some/sounds"
    assert copy_examples(folder) == tuple(folder / name for name in NAMES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in EXAMPLES.iterdir()
    }


def test_without_a_folder_they_go_to_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_examples()
    assert sorted(path.name for path in tmp_path.glob("*.ogg")) == NAMES


def test_the_metadata_has_a_caption_that_the_model_knows_of_each_recording():
    with (EXAMPLES / "metadata.csv").open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    captions = json.loads((bundled_model() / "captions.json").read_text(encoding="utf8"))
    assert [row["file_name"] for row in rows] == NAMES
    assert {row["text"] for row in rows} <= set(captions)
    assert [row["language"] for row in rows] == [name.split(".")[1] for name in NAMES]
    for split in ("train", "validation"):
        assert {row["label"] for row in rows if row["split"] == split} == {"animal", "fruit"}


def test_copies_that_are_there_stay_as_they_are_and_what_is_missing_is_added(tmp_path):
    copy_examples(tmp_path)
    (tmp_path / NAMES[0]).unlink()
    kept = tmp_path / NAMES[1]
    before = kept.stat().st_mtime_ns
    assert len(copy_examples(tmp_path)) == 6
    assert (tmp_path / NAMES[0]).read_bytes() == (EXAMPLES / NAMES[0]).read_bytes()
    assert kept.stat().st_mtime_ns == before


def test_another_file_of_the_name_is_not_overwritten_and_nothing_is_copied(tmp_path):
    mine = tmp_path / "elephant.en.ogg"
    mine.write_text("mine")
    with pytest.raises(InputError) as error:
        copy_examples(tmp_path)
    assert str(error.value) == f"{mine} exists and is not the example of that name; choose another FOLDER"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_in_place_of_the_folder(tmp_path):
    file = tmp_path / "notes.txt"
    file.touch()
    with pytest.raises(InputError, match=rf"^FOLDER: {file} is not a folder; choose another one$"):
        copy_examples(file)


def test_without_the_bundled_model_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("photism.hub.entry_points", lambda **_: ())
    with pytest.raises(InputError) as error:
        copy_examples(tmp_path)
    assert str(error.value) == f"the example recordings are not installed: {install_command('tiny')}"
