"""Recordings that are gone from the folders of an index, and disks that are missing."""

import os
from pathlib import Path

import pytest

from photism.collection.gone import ListedRecordings, find_gone
from photism.manifest.entry import Entry


def listed(*paths: str, unreadable: str | None = None) -> ListedRecordings:
    """Return recordings that were listed to the end."""
    entries = [Entry(path, "1", "x.wav") for path in paths]
    entries += [] if unreadable is None else [Entry(unreadable, "", "x", problem=f"{unreadable}: permission denied")]
    found = ListedRecordings(entries)
    assert not found.is_complete
    assert list(found) == entries
    assert found.is_complete
    return found


def test_what_is_not_listed_is_gone_from_the_given_folders_only():
    rows = ["/s/a.wav", "/s/b.wav", "/s/b.wav", "/s/c/d.wav", "/sounds/e.wav", "s3://b/s/f.wav", "s3://b/t/g.wav"]
    found = find_gone(rows, listed("/s/a.wav"), ["/s", "s3://b/s/"])
    assert sorted(found.removable) == ["/s/b.wav", "/s/c/d.wav", "s3://b/s/f.wav"]
    assert found.doubtful == []


def test_what_is_below_a_folder_that_cannot_be_read_stays():
    rows = ["/s/a.wav", "/s/locked/b.wav", "/s/locked2/c.wav"]
    found = find_gone(rows, listed("/s/a.wav", unreadable="/s/locked"), ["/s"])
    assert found.removable == ["/s/locked2/c.wav"]


@pytest.mark.parametrize(("gone", "are_removed"), [(10, True), (11, False)])
def test_when_more_than_half_of_a_folder_is_gone_a_disk_may_be_missing(gone: int, are_removed: bool):
    kept, missing = [f"/s/kept-{number}" for number in range(5)], [f"/s/{number}" for number in range(gone)]
    found = find_gone([*kept, *missing], listed(*kept), ["/s"])
    assert sorted(found.removable if are_removed else found.doubtful) == sorted(missing)
    half = find_gone([*kept, *missing], listed(*kept, *missing[5:]), ["/s"])
    assert sorted(half.removable) == sorted(missing[:5])


def test_an_empty_folder_may_be_a_missing_disk(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    kept = [f"{tmp_path}/kept/{number}" for number in range(100)]
    on_disk = [f"{tmp_path}/disk/sub/{number}" for number in range(11)]
    deleted = [f"{tmp_path}/other/{number}" for number in range(11)] + [f"{tmp_path}/gone/{n}" for n in range(11)]
    found = find_gone([*kept, *on_disk, *deleted], listed(*kept), [str(tmp_path)])
    assert sorted(found.doubtful) == sorted(on_disk)
    assert sorted(found.removable) == sorted(deleted)


def test_a_file_that_exists_is_not_gone(tmp_path: Path):
    """Neither a hidden file nor a shard's recording is listed with the folder; both were indexed by their names."""
    for name in (".hidden.wav", "shard.tar", "other.tar", "table.parquet"):
        (tmp_path / name).touch()
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "state.json").touch()
    names = [".hidden.wav", "shard.tar#a", "other.tar#a", "table.parquet#1", "data/train/1", "gone.tar#a", "sub/17"]
    rows = [f"{tmp_path}/{name}" for name in names]
    assert find_gone(rows, listed(), [str(tmp_path)]).removable == [rows[-2], rows[-1]]
    found = find_gone(rows, listed(f"{tmp_path}/shard.tar#b", f"{tmp_path}/data/train/0"), [str(tmp_path)])
    assert sorted(found.removable) == sorted([rows[1], rows[4], *rows[-2:]])


def test_recordings_in_a_shard_of_object_storage_stay_unless_it_is_listed():
    rows = ["s3://b/s/x.tar#a", "s3://b/s/y.tar#a"]
    assert find_gone(rows, listed("s3://b/s/y.tar#b"), ["s3://b/s"]).removable == rows[1:]


def test_a_name_that_is_not_utf8():
    name = os.fsdecode(b"/s/\xff \xe4.wav")
    rows = ["file:///s/%FF%20%E4.wav", "file:///s/%FE.wav"]
    assert find_gone(rows, listed(name), ["/s"]).removable == rows[1:]
