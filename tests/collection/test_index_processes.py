"""Indexes that several processes write to at once, and processes that are killed."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from photism.lance_table import LanceTable, is_table
from tests.support.collections import open_index

pytest.importorskip("lance")


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    """Return three folders of ten recordings."""
    folders = [tmp_path / f"sounds/{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for file in range(10):
            (folder / f"{file}.wav").write_text(str(10 * number + file))
    return folders


def start(folder: Path, given: Sequence[Path]) -> subprocess.Popen[bytes]:
    """Start a process that adds recordings to the index in a folder as soon as it gets a line."""
    command = [sys.executable, "-m", "tests.support.collections", str(folder), *map(str, given)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def go(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let processes begin together."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()


def rows_of(folder: Path) -> list[dict[str, object]]:
    """Return the rows of the index in a folder, in the order of their ids."""
    table = LanceTable.open(str(folder / "i.lance"))
    return sorted(table.dataset.to_table().to_pylist(), key=lambda row: row["id"])


def test_processes_with_overlapping_folders_index_each_recording_once(sounds: list[Path], tmp_path: Path):
    for folder in sounds:
        (folder / "broken.wav").write_text("-1")
    processes = [start(tmp_path, sounds[number : number + 2]) for number in range(2)]
    go(processes)
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    one_pass = tmp_path / "one"
    open_index(one_pass).add(sounds)
    assert rows_of(tmp_path) == rows_of(one_pass)
    assert len(rows_of(tmp_path)) == 30
    errors = [json.loads(line)["file"] for line in (tmp_path / "i.lance.errors.jsonl").read_text().splitlines()]
    assert sorted(errors) == [str(folder / "broken.wav") for folder in sounds]


@pytest.mark.slow
def test_after_kills_at_any_moment_the_rows_are_those_of_one_pass(sounds: list[Path], tmp_path: Path):
    one_pass = tmp_path / "one"
    open_index(one_pass).add(sounds)
    expected = rows_of(one_pass)
    process = start(tmp_path / "whole", sounds)
    go([process])
    began = time.monotonic()
    process.wait(60)
    duration_s = time.monotonic() - began
    moments = random.Random(0)
    sizes = set[int]()
    for trial in range(30):
        folder = tmp_path / str(trial)
        folder.mkdir()
        process = start(folder, sounds)
        go([process])
        time.sleep(moments.uniform(0, duration_s))
        process.kill()
        process.wait(60)
        if is_table(str(folder / "i.lance")):
            rows = rows_of(folder)
            sizes.add(len(rows))
            assert rows == [row for row in expected if row["id"] in {each["id"] for each in rows}]
        open_index(folder).add(sounds)
        assert rows_of(folder) == expected
        shutil.rmtree(folder)
    assert len(sizes) >= 5  # kills before, between and after the commits
