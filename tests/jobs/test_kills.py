"""Jobs that are killed (SIGKILL) at random moments: rows equal those of one pass, none is missing, none twice."""

import csv
import json
import random
from dataclasses import replace

import pytest

from photism.jobs.run import run
from tests.support.jobs import NameJob, entries, json_rows, newer
from tests.support.killed_jobs import process, run_and_kill

KILLS = 30
COUNT = 60
MAX_S = 1.5
"""Latest moment of a kill, at which a job is often done."""
KINDS = [("jsonl", None), ("jsonl", 3), ("csv", None), ("json", None), ("parquet", 2), ("lance", 2), ("srt", None)]


def rows_of(path, kind):
    """Return what an output has of each recording."""
    if kind == "srt":
        return sorted((str(file.relative_to(path)), file.read_text()) for file in path.rglob("*.srt"))
    if kind == "csv":
        return sorted(tuple(row.values()) for row in csv.DictReader(path.open()))
    if kind == "json":
        return sorted(row["file"] for row in json.loads(path.read_text()))
    if kind == "jsonl":
        return sorted((row["id"], row["file"]) for row in json_rows(path))
    if kind == "parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
    else:
        import lance

        table = lance.dataset(str(path)).to_table()
    return sorted((row["id"], row["file"], tuple(row["vector"])) for row in table.to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "windows"), KINDS)
def test_kills_lose_no_row_and_repeat_none(tmp_path, kind, windows):
    random.seed(0)
    gone = replace(entries("gone.wav")[0], problem="gone.wav: no such file")
    first = [gone, *entries(*(f"{number:03d}.wav" for number in range(COUNT)))]
    second = [newer(entry) if number % 2 else entry for number, entry in enumerate(first)]
    format = "srt" if kind == "srt" else None
    kills = attempts = 0
    while kills < KILLS:
        attempts += 1
        path = tmp_path / str(attempts) / f"rows.{kind}"
        path.parent.mkdir()
        target = f"{path}/" if kind == "srt" else str(path)
        for listed in (first, second):
            while run_and_kill(target, format, listed, windows, after_s=random.random() * MAX_S):
                kills += 1
            whole = tmp_path / str(attempts) / f"whole-{listed is first}.{kind}"
            process(f"{whole}/" if kind == "srt" else str(whole), format, listed, windows)
            assert rows_of(path, kind) == rows_of(whole, kind)
            errors = path / "errors.jsonl" if kind == "srt" else path.with_name(f"{path.name}.errors.jsonl")
            assert [row["file"] for row in json_rows(errors)] == ["gone.wav"]
            assert run(NameJob(windows=windows), listed, target, format=format).done_before == COUNT
