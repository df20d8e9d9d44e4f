"""Parquet and Lance: types of columns, vectors, windows, and kills between two writes."""

import json
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photism.errors import InputError
from photism.jobs.outputs import lance as lance_output
from photism.jobs.outputs import parquet as parquet_output
from photism.jobs.outputs.table_rows import BLOCK_S, TableRows, arrow_type
from photism.jobs.run import run
from tests.support.jobs import NameJob, entries, json_rows, newer

NAMES = ("a.wav", "bb.wav", "é.wav")


@pytest.fixture(params=["parquet", "lance"])
def path(tmp_path, request):
    return tmp_path / f"rows.{request.param}"


@pytest.fixture
def small_blocks(monkeypatch):
    """Write a block for each recording."""
    monkeypatch.setattr(TableRows, "is_block", property(lambda rows: len(rows) > 0))


def table_of(path):
    if path.suffix == ".parquet":
        return pq.read_table(path)
    import lance

    return lance.dataset(str(path)).to_table()


def with_columns(name, **columns):
    return replace(entries(name)[0], columns=columns)


def test_columns_have_the_types_of_the_job_and_of_the_manifest(path):
    listed = [
        with_columns("a.wav", text="x", count=1, number=1, mixed=1, day=date(2026, 1, 2), nothing=None),
        with_columns("b.wav", text="y", count=2, number=1.5, mixed="one", day=None, nothing=None),
    ]
    run(NameJob(), listed, path)
    types = {field.name: field.type for field in table_of(path).schema}
    assert types == {
        "file": pa.string(),
        "text": pa.string(),
        "count": pa.int64(),
        "number": pa.float64(),
        "mixed": pa.string(),
        "day": pa.date32(),
        "duration_s": pa.float64(),
        "letters": pa.int64(),
        "parts": pa.list_(pa.struct([("text", pa.string()), ("at", pa.float64())])),
        "vector": pa.list_(pa.float32(), 4),
        "id": pa.string(),
    }
    rows = table_of(path).to_pylist()
    assert [row["mixed"] for row in rows] == ["1", "one"]
    assert [row["vector"] for row in rows] == [[5] * 4] * 2


def test_a_value_of_another_type_is_an_error_of_its_recording(path):
    run(NameJob(), [with_columns("a.wav", count=1, text="x")], path)
    later = [
        with_columns("b.wav", count=1.5),
        with_columns("c.wav", count="three"),
        with_columns("d.wav", count=4, text=4),
        with_columns("e.wav", count=None, more=2.5),
    ]
    assert run(NameJob(), later, path).errors == 2
    errors = json_rows(path.with_name("rows.errors.jsonl"))
    assert [(row["file"], row["where"]) for row in errors] == [("b.wav", "writing"), ("c.wav", "writing")]
    assert errors[0]["what"] == "column count must be int64, as in the first rows; got 1.5"
    rows = {row["file"]: row for row in table_of(path).to_pylist()}
    assert {name: row["count"] for name, row in rows.items()} == {"a.wav": 1, "d.wav": 4, "e.wav": None}
    assert {name: row["text"] for name, row in rows.items()} == {"a.wav": "x", "d.wav": "4", "e.wav": None}
    assert {name: row["more"] for name, row in rows.items()} == {"a.wav": None, "d.wav": None, "e.wav": 2.5}


def test_rows_of_windows_are_replaced_together(path):
    listed = entries(*NAMES)
    run(NameJob(windows=3), listed, path)
    run(NameJob(windows=3), [newer(listed[0]), *listed[1:]], path)
    rows = table_of(path).to_pylist()
    assert len(rows) == len({row["id"] for row in rows}) == 9
    assert sorted(row["start_s"] for row in rows if row["file"] == "a.wav") == [0, 1, 2]


def test_many_blocks_become_one_file(path, small_blocks):
    run(NameJob(), entries(*NAMES), path)
    assert table_of(path).column("file").to_pylist() == list(NAMES)
    assert not path.with_name(f".{path.name}.blocks").exists()


def test_columns_of_a_manifest_may_have_any_name(path):
    run(NameJob(), [with_columns("a.wav", **{"a.b": 1, "": 2, "id": 3, "_rowid": 4})], path)
    (row,) = table_of(path).to_pylist()
    names = ("a.b", "", "_rowid") if path.suffix == ".parquet" else ("a_b", "column", "column_rowid")
    assert [row[name] for name in names] == [1, 2, 4]
    assert row["manifest_id"] == 3


def test_a_name_that_is_not_utf8_is_escaped(path):
    run(NameJob(), [with_columns("\udcff.wav", note="\udcff")], path)
    assert table_of(path).column("file").to_pylist() == ["\\udcff.wav"]


@pytest.mark.parametrize("step", ["block", "file", "removal"])
def test_a_kill_while_parquet_is_written_loses_no_block(tmp_path, monkeypatch, small_blocks, step):
    """The process is killed at the second block, at the merge, and before merged blocks are removed."""
    path, listed = tmp_path / "rows.parquet", entries(*NAMES)
    run(NameJob(), listed[:1], path)
    changed = [newer(listed[0]), *listed[1:]]

    class Killed(BaseException):
        """A kill, after which nothing of the process runs."""

    def killed(*_, **__):
        raise Killed

    write_block = parquet_output.Parquet._write_block

    def killed_at_second(output):
        if output._number == 1:
            monkeypatch.setattr(parquet_output.Parquet, "close", lambda self: self._resources.close())
            raise Killed
        write_block(output)

    with monkeypatch.context() as patches:
        if step == "block":
            patches.setattr(parquet_output.Parquet, "_write_block", killed_at_second)
        elif step == "file":
            patches.setattr(parquet_output.Parquet, "_merge", killed)
        else:
            patches.setattr(parquet_output, "discard_folder", killed)
        with pytest.raises(Killed):
            run(NameJob(), changed, path)
    monkeypatch.undo()
    summary = run(NameJob(), changed, path)
    assert summary.done_before == (1 if step == "block" else 3)
    assert sorted(table_of(path).column("file").to_pylist()) == sorted(NAMES)


def test_a_full_disk_while_lance_is_written_loses_no_block(tmp_path, monkeypatch, small_blocks):
    path, listed = tmp_path / "rows.lance", entries(*NAMES)
    insert = lance_output.LanceTable.insert

    def insert_first(table, rows, **arguments):
        if len(table):
            raise OSError(28, "No space left on device", str(path))
        insert(table, rows, **arguments)

    with monkeypatch.context() as patches:
        patches.setattr(lance_output.LanceTable, "insert", insert_first)
        with pytest.raises(OSError, match="No space left"):
            run(NameJob(), listed, path)
    assert run(NameJob(), listed, path).done_before == 1
    assert table_of(path).column("file").to_pylist() == list(NAMES)


def test_a_block_is_written_after_some_time():
    now = [0.0]
    rows = TableRows({}, clock=lambda: now[0])
    assert not rows.is_block
    rows.add([{"file": "a.wav", "id": "1"}])
    now[0] = BLOCK_S - 0.1
    assert not rows.is_block
    now[0] = BLOCK_S
    assert rows.is_block


def test_types_of_arrow():
    assert arrow_type([{"label": str, "at": [float]}]) == pa.list_(
        pa.struct([("label", pa.string()), ("at", pa.list_(pa.float64()))])
    )


def test_metadata_says_what_was_computed(path):
    run(NameJob(), entries(*NAMES), path)
    metadata = json.loads(table_of(path).schema.metadata[b"photism"])
    assert (metadata["verb"], metadata["settings"]) == ("name", {"setting": 1})
    assert metadata["computed"] == ["duration_s", "letters", "parts", "vector"]


def test_a_file_without_the_metadata_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": ["x"]}), path)
    with pytest.raises(InputError, match=r"is not of a job; choose another output, or --force to replace it"):
        run(NameJob(), entries(*NAMES), path)
    run(NameJob(), entries(*NAMES), path, force=True)
    assert len(table_of(path)) == 3
