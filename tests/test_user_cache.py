"""Files that are kept between processes, and what happens where they cannot be."""

import os
from pathlib import Path

import pytest

from photism.user_cache import cache_folder, keep, prune


def test_the_folder_is_that_of_the_environment_or_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PHOTISM_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "photism"


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"

    def fill_the_disk(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    keep(target, fill_the_disk)
    assert list(target.parent.iterdir()) == []
    keep(target, lambda path: path.write_text("whole"))
    assert target.read_text() == "whole"


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keep(tmp_path / "file" / "below a file", lambda path: path.write_text("never"))
    prune(tmp_path / "missing", max_bytes=0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_files_that_were_used_longest_ago_are_deleted(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "oldest")):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    prune(tmp_path, max_bytes=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
