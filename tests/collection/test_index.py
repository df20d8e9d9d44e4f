"""Indexes of folders: what is added, changed and removed, by whom, and what stays after a kill."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.collection import index as index_module
from photism.collection import index_rows
from photism.collection.index import Index
from photism.collection.index_job import IndexJob
from photism.collection.settings import IndexSettings
from photism.errors import InputError, RecordingWarning
from photism.jobs.job import Outcome
from photism.jobs.outputs import table_rows
from photism.lance_table import LanceTable
from photism.listening.settings import EmbedModelSettings
from photism.manifest.entry import Entry
from photism.manifest.read import read_manifest
from tests.support.collections import WIDTH, Worker, open_index

pytest.importorskip("lance")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Return a folder of three recordings."""
    for number, name in enumerate(["a.wav", "b.wav", "sub/c.wav"], start=1):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    return tmp_path / "sounds"


def contents(index: Index) -> dict[str, float]:
    """Return the duration of each recording by its name; none is there twice."""
    rows = index.dataset.to_table(columns=["location", "duration_s"]).to_pylist()
    found = {Path(row["location"]).name: row["duration_s"] for row in rows}
    assert len(found) == len(rows)
    return found


def processed(index: Index) -> list[str]:
    """Return the names of the recordings that were processed."""
    return index._worker.processed  # pyright: ignore


def test_a_row_of_each_recording(sounds: Path, tmp_path: Path):
    index = open_index(tmp_path)
    summary = index.add(sounds)
    assert str(summary) == "3 of 3 recordings were processed; 3 new; 3 rows"
    row = index.dataset.to_table(filter="location LIKE '%sub%'").to_pylist()[0]
    found_id = row.pop("id")
    key = next(entry.key for entry in read_manifest([str(sounds)]) if entry.name.startswith("sub"))
    assert found_id.endswith(key)
    version = row.pop("version")
    assert version
    assert row == {
        "location": str(sounds / "sub" / "c.wav"),
        "start_s": 0,
        "end_s": None,
        "duration_s": 3,
        "vector": [3] * 4,
        "captions": [{"caption": "an owl", "score": 0.5}],
        "known": True,
        "labels": None,
        "loudness_lufs": -20,
        "warnings": None,
        "fingerprint": "a" * 16,
    }
    assert len(index) == 3


def test_the_same_command_again_adds_changes_and_removes(sounds: Path, tmp_path: Path):
    open_index(tmp_path).add(sounds)
    ids = open_index(tmp_path).to_pandas().set_index("location")["id"]
    again = open_index(tmp_path)
    assert str(again.add(sounds)) == "3 of 3 recordings were processed (3 before); 0 new; 3 rows"
    assert processed(again) == []
    (sounds / "b.wav").write_text("20")
    (sounds / "d.wav").write_text("4")
    (sounds / "sub" / "c.wav").unlink()
    index = open_index(tmp_path)
    assert str(index.add(str(sounds))) == (
        "3 of 3 recordings were processed (1 before); 1 new, 1 changed, 1 removed; 3 rows"
    )
    assert processed(index) == ["b.wav", "d.wav"]
    assert contents(index) == {"a.wav": 1, "b.wav": 20, "d.wav": 4}
    kept = index.to_pandas().set_index("location")["id"]
    assert kept[str(sounds / "a.wav")] == ids[str(sounds / "a.wav")]


def test_other_folders_stay_and_relative_paths_are_the_same_recordings(sounds, tmp_path, monkeypatch):
    other = shutil.copytree(sounds, tmp_path / "other")
    open_index(tmp_path).add([sounds, other])
    (other / "a.wav").unlink()
    monkeypatch.chdir(sounds)
    index = open_index(tmp_path)
    index.add(".")
    index.add(["a.wav"])
    assert processed(index) == []
    assert len(index) == 6
    assert index.add(other).removed == 1


def test_windows_are_rows_and_a_changed_recording_has_another_number_of_them(sounds: Path, tmp_path: Path):
    index = open_index(tmp_path, window_s=1)
    index.add(sounds)
    assert len(index) == 1 + 2 + 3
    (sounds / "sub" / "c.wav").write_text("2")
    index.add(sounds)
    (sounds / "b.wav").write_text("3")
    index.add(sounds)
    rows = index.dataset.to_table(columns=["location", "start_s", "end_s", "duration_s", "id"]).to_pylist()
    times = sorted((Path(row["location"]).name, row["start_s"], row["end_s"], row["duration_s"]) for row in rows)
    assert times == [
        ("a.wav", 0, 1, 1),
        ("b.wav", 0, 1, 3),
        ("b.wav", 1, 2, 3),
        ("b.wav", 2, 3, 3),
        ("c.wav", 0, 1, 2),
        ("c.wav", 1, 2, 2),
    ]
    assert sum(row["id"].endswith("-3of3") for row in rows) == 1


def test_a_segment_has_the_times_of_its_file(sounds: Path, tmp_path: Path):
    index = open_index(tmp_path)
    index.add([Entry(str(sounds / "a.wav"), "1", "a", start_s=5.0, end_s=6.0)])
    row = index.dataset.to_table(columns=["start_s", "end_s", "duration_s"]).to_pylist()
    assert row == [{"start_s": 5, "end_s": 6, "duration_s": 1}]


def test_unreadable_recordings_are_rows_of_the_errors_file(sounds: Path, tmp_path: Path):
    (sounds / "b.wav").write_text("-1")
    summary = open_index(tmp_path).add(sounds)
    errors = tmp_path / "i.lance.errors.jsonl"
    assert summary.run.errors_file == errors
    (row,) = map(json.loads, errors.read_text().splitlines())
    assert (row["file"], row["where"]) == (str(sounds / "b.wav"), "reading")
    (sounds / "a.wav").write_text("-1")  # the row of what it was before leaves
    index = open_index(tmp_path)
    index.add(sounds)
    assert contents(index) == {"c.wav": 3}
    (sounds / "a.wav").write_text("1")
    (sounds / "b.wav").write_text("2")
    assert index.add(sounds).run.errors == 0
    assert contents(index) == {"a.wav": 1, "b.wav": 2, "c.wav": 3}
    assert not errors.exists()


def test_after_too_many_errors_nothing_is_removed(sounds: Path, tmp_path: Path):
    open_index(tmp_path).add(sounds)
    for name in ("0.wav", "1.wav"):
        (sounds / name).write_text("-1")
    (sounds / "sub" / "c.wav").unlink()
    index = open_index(tmp_path)
    assert index.add(sounds, max_errors=1).run.stopped
    assert len(index) == 3
    assert index.add(sounds).removed == 1


def test_what_is_missing_from_a_list_stays(sounds: Path, tmp_path: Path):
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, sounds.rglob("*.wav"))))
    index = open_index(tmp_path)
    index.add(f"@{listed}")
    (sounds / "a.wav").unlink()
    assert index.add(f"@{listed}").run.errors == 1
    assert len(index) == 3


def test_a_folder_of_which_most_is_gone_stays_unless_pruned(tmp_path: Path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.wav").write_text("1")
    index = open_index(tmp_path)
    index.add(folder)
    for number in range(19):
        (folder / f"{number}.wav").unlink()
    summary = index.add(folder)
    assert (summary.removed, summary.doubtful, len(index)) == (0, 19, 20)
    summary = index.add(folder, prune=True)
    assert (summary.removed, summary.doubtful, len(index)) == (19, 0, 1)
    (folder / "19.wav").unlink()
    with pytest.raises(InputError, match="no recordings in this folder"):
        index.add(folder, prune=True)
    assert len(index) == 1


def test_another_model_or_other_windows_are_refused(sounds: Path, tmp_path: Path):
    open_index(tmp_path).add(sounds)
    with pytest.raises(InputError, match=r"i.lance was computed with model the bundled one .*other weights"):
        open_index(tmp_path, fingerprint="b" * 16)
    with pytest.raises(InputError, match=r"i.lance was computed with window_s by default instead of 2"):
        open_index(tmp_path, window_s=2)
    assert len(open_index(tmp_path)) == 3
    replaced = open_index(tmp_path, window_s=2, force=True)
    assert len(replaced) == 0
    replaced.add(sounds)
    assert len(replaced) == 1 + 1 + 2


def test_force_computes_all_again(sounds: Path, tmp_path: Path):
    open_index(tmp_path).add(sounds)
    index = open_index(tmp_path, force=True)
    summary = index.add(sounds, force=True)
    assert str(summary) == "3 of 3 recordings were processed; 0 new, 3 again; 3 rows"
    (sounds / "a.wav").write_text("7")
    summary = open_index(tmp_path, force=True).add(sounds, force=True)
    assert (summary.changed, summary.repeated, summary.rows) == (1, 2, 3)
    assert processed(index) == ["a.wav", "b.wav", "c.wav"]


def test_an_index_is_opened_with_its_models_and_settings(sounds: Path, tmp_path: Path, monkeypatch):
    reading = ReadingSettings(channel=1)
    models = EmbedModelSettings(model=str(tmp_path), kind="prompt", device="cpu")
    job = IndexJob(models=models, rows=IndexSettings(window_s=2, batch_size=3), reading=reading)
    created = Index.for_job(tmp_path / "i.lance", job, Worker(2))
    opened = Index.open(tmp_path / "i.lance", device="cpu")
    assert opened.job.settings == job.settings
    assert (opened.job.models.model, opened.job.models.kind) == (str(tmp_path), "prompt")
    assert opened.fingerprint == created.fingerprint == "a" * 16
    metadata = json.loads(created.dataset.schema.metadata[b"photism"])
    assert "vector" in metadata["computed"]
    workers = [Worker(2), Worker(2, "b" * 16)]
    monkeypatch.setattr(IndexJob, "load", lambda self: workers.pop(0))
    opened.add(sounds)
    assert len(opened) == 1 + 1 + 2
    with pytest.raises(InputError, match="other weights of that name"):
        Index.open(tmp_path / "i.lance").add(sounds)


def test_a_worker_of_another_model_is_refused(sounds: Path, tmp_path: Path):
    index = open_index(tmp_path)
    with pytest.raises(InputError, match=r"i.lance was computed with model the bundled one .*other weights"):
        index.add(sounds, worker=Worker(fingerprint="b" * 16))
    assert len(index) == 0


def test_an_index_that_another_process_creates_meanwhile_is_of_the_same_model(tmp_path: Path, monkeypatch):
    open_index(tmp_path)
    monkeypatch.setattr(index_module, "is_table", lambda _: False)  # as it was when this process looked
    assert len(open_index(tmp_path)) == 0
    with pytest.raises(InputError, match=r"i.lance was computed with model the bundled one .*other weights"):
        open_index(tmp_path, fingerprint="b" * 16)


def test_create_replaces_an_index_of_the_same_model_if_it_is_forced(sounds: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(IndexJob, "load", lambda _: Worker())
    Index.create(tmp_path / "i.lance").add(sounds)
    with pytest.raises(InputError, match=r"i.lance exists; open it with Index.open"):
        Index.create(tmp_path / "i.lance")
    assert len(Index.create(tmp_path / "i.lance", force=True)) == 0
    assert len(Index.open(tmp_path / "i.lance")) == 0


def test_a_url_is_named_as_it_is(tmp_path: Path):
    path = f"file://{tmp_path}/i.lance"
    Index.for_job(path, IndexJob(), Worker())
    with pytest.raises(InputError) as raised:
        Index.for_job(path, IndexJob(), Worker(fingerprint="b" * 16))
    assert str(raised.value).startswith(f"{path} was computed with")


def test_a_query_by_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    open_index(tmp_path)
    workers = [Worker(), Worker(fingerprint="b" * 16)]
    monkeypatch.setattr(IndexJob, "load", lambda self: workers.pop(0))
    opened = Index.open(tmp_path / "i.lance")
    assert opened.load_embedder().fingerprint == opened.fingerprint
    with pytest.raises(InputError, match=r"i.lance was computed with .*, not with talk"):
        opened.load_embedder("talk")


def test_what_is_no_index_is_refused(tmp_path: Path):
    import pyarrow as pa

    LanceTable.create(str(tmp_path / "i.lance"), pa.schema([("id", pa.string())]), {})
    for make in (lambda: Index.open(tmp_path / "i.lance"), lambda: open_index(tmp_path, force=True)):
        with pytest.raises(InputError, match=r"i.lance is a Lance data set, but was not made by photism index"):
            make()


def test_new_rows_enter_the_vector_index(tmp_path: Path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.wav").write_text(str(number + 1))
    index = open_index(tmp_path)
    index.add(folder)
    index.dataset.create_index("vector", "IVF_FLAT", metric="cosine", num_partitions=1)
    (folder / "new.wav").write_text("400")
    (folder / "3.wav").unlink()
    index.add(folder)
    (name,) = (each.name for each in index.dataset.describe_indices())
    assert index.dataset.stats.index_stats(name)["num_unindexed_rows"] == 0
    assert len(index) == 300


def test_remove(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = open_index(tmp_path)
    index.add(sounds)
    monkeypatch.chdir(sounds)
    assert index.remove("a.wav") == 1
    assert index.remove(sounds / "none.wav") == 0
    assert index.remove("sub") == 1
    assert contents(index) == {"b.wav": 2}


def test_columns_of_a_manifest(sounds: Path, tmp_path: Path):
    rows = [
        {
            "species": "owl",
            "n": 3,
            "weight": 2,
            "night": True,
            "duration_s": "long",
            "a.b": 1,
            "": 5,
            "_rowid": 7,
            "score": 1,
        },
        {"species": None, "n": 4, "weight": 0.5, "tags": ["x", "y"], "file": "old.wav"},
    ]
    rows[0]["score"] = 1
    files = [str(sounds / name) for name in ("a.wav", "b.wav")]
    entries = [Entry(file, "1", "a", columns=row) for file, row in zip(files, rows, strict=True)]
    index = open_index(tmp_path)
    index.add([entries[1], entries[0]])
    columns = ["species", "n", "weight", "night", "manifest_duration_s", "a_b", "column", "column_rowid"]
    columns += ["manifest_file", "manifest_score"]
    found = index.dataset.to_table(columns=[*columns, "tags"]).to_pylist()
    assert [list(row.values()) for row in found] == [
        [None, 4, 0.5, None, None, None, None, None, "old.wav", None, ["x", "y"]],
        ["owl", 3, 2.0, True, "long", 1, 5, 7, None, 1, None],
    ]
    wrong = replace(entries[0], version="2", columns={"n": "three"})
    assert index.add([wrong]).run.errors == 1
    assert (
        "column n must be int64, as in the first rows; got 'three'" in (tmp_path / "i.lance.errors.jsonl").read_text()
    )


def test_a_recording_that_is_given_twice_is_one_row(sounds: Path, tmp_path: Path):
    index = open_index(tmp_path)
    with pytest.warns(RecordingWarning, match=r"a.wav: listed more than once"):
        index.add([sounds / "a.wav", sounds, f"{sounds}/*.wav"])
    assert sorted(contents(index)) == ["a.wav", "b.wav", "c.wav"]


def test_a_name_that_is_not_utf8(sounds: Path, tmp_path: Path):
    os.rename(sounds / "a.wav", os.fsencode(sounds) + b"/\xff'.wav")
    index = open_index(tmp_path)
    index.add(sounds)
    assert set(index.table.column("location")) >= {f"file://{sounds}/%FF%27.wav"}
    assert index.add(sounds).run.processed == 0
    os.unlink(os.fsencode(sounds) + b"/\xff'.wav")
    assert index.add(sounds).removed == 1


def test_rows_are_committed_in_blocks(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_rows, "BLOCK_ROWS", 2)
    index = open_index(tmp_path)
    version = index.dataset.version
    index.add(sounds)
    assert index.dataset.version == version + 2
    monkeypatch.setattr(index_module, "MAX_CONDITION", 1)
    shutil.rmtree(sounds / "sub")
    (sounds / "a.wav").unlink()
    assert index.add(sounds).removed == 2


def test_rows_of_two_versions_of_a_recording_are_reduced_to_one(sounds: Path, tmp_path: Path):
    """Two processes may index a file that changes between them, as none sees the rows of the other."""
    first = index_rows.IndexRows(open_index(tmp_path).table, "0" * 8, "a")
    second = index_rows.IndexRows(open_index(tmp_path).table, "0" * 8, "a")
    outcome = Outcome(0, {"duration_s": 1.0, "vector": np.zeros(WIDTH, np.float32)}, 1.0, None)
    for writer, version in ((first, "1"), (second, "2")):
        entry = Entry(str(sounds / "a.wav"), version, "a")
        writer.write(f"{'0' * 8}-{entry.key}", entry, outcome)
        writer.close()
    index = open_index(tmp_path)
    assert len(index) == 2
    index.add(sounds / "b.wav")
    assert sorted(contents(index)) == ["a.wav", "b.wav"]
