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
from tests.support.jobs import NameJob, entries, newer

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


def test_a_column_widens_for_values_of_another_type(path, small_blocks):
    """Blocks of other types are in the same run, and in the output of an earlier one."""
    values = [
        {"count": 1, "odd": 5, "mixed": 1, "text": "x", "tags": [], "more": {"a": None}},
        {"count": 2.5, "odd": 2**70, "mixed": "one", "text": 4, "tags": ["x"], "more": {"a": 1}},
        {"count": 3, "odd": {}, "mixed": [1], "text": None, "tags": ["y"], "more": {"a": 2}},
    ]
    listed = [with_columns(f"{number}.wav", **columns) for number, columns in enumerate(values)]
    run(NameJob(), listed[:1], path)
    assert run(NameJob(), listed, path).errors == 0
    rows = {row["file"]: row for row in table_of(path).to_pylist()}
    found = [
        [rows[entry.location][name] for entry in listed] for name in ("count", "odd", "mixed", "text", "tags", "more")
    ]
    assert found == [
        [1.0, 2.5, 3.0],
        ["5", str(2**70), "{}"],
        ["1", "one", "[1]"],
        ["x", "4", None],
        [None, ["x"], ["y"]],
        [None, {"a": 1}, {"a": 2}],
    ]
    assert run(NameJob(), listed, path).done_before == 3


def test_waiting_rows_widen_with_their_column(path):
    run(NameJob(), [with_columns("a.wav", count=1, odd=1)], path)
    run(NameJob(), [with_columns("b.wav", count=2, odd=2), with_columns("c.wav", count=2.5, odd=2**70)], path)
    assert table_of(path).column("count").to_pylist() == [1.0, 2.0, 2.5]
    assert table_of(path).column("odd").to_pylist() == ["1", "2", str(2**70)]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (2**70, str(2**70)),
        ({}, None),
        ([{}], None),
        ({"a": {}, "b": 1}, '{"a": {}, "b": 1}'),
        ([[None], [1]], [[None], [1]]),
        ({1: "\udcff"}, '{"1": "\\\\udcff"}'),
    ],
)
def test_odd_values_do_not_end_the_job(path, value, stored):
    listed = [with_columns("a.wav", odd=value), *entries("b.wav")]
    assert run(NameJob(), listed, path).errors == 0
    row = table_of(path).to_pylist()[0]
    assert row.get("odd") == stored


def test_rows_wait_until_their_table_is_made(monkeypatch):
    rows = TableRows({})
    rows.add([{"file": "a.wav", "id": "1"}])
    with monkeypatch.context() as patches:
        patches.setattr(rows, "_learn", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows.take()
    assert len(rows.take()) == 1


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


def test_columns_that_would_have_the_same_name_are_numbered(path):
    listed = [
        with_columns("a.wav", **{"a.b": 1, "a_b": 2}),
        with_columns("b.wav", **{"a_b": 3}),
        with_columns("c.wav", **{"a`b": 5, "a_b": 4}),
    ]
    for entry in listed:
        run(NameJob(), [entry], path)
    table = table_of(path)
    names = ("a.b", "a_b", "a`b") if path.suffix == ".parquet" else ("a_b", "a_b_2", "a_b_3")
    columns = [table.column(name).to_pylist() for name in names]
    assert columns == [[1, None, None], [2, 3, 4], [None, None, 5]]


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
    with pytest.raises(
        InputError, match=r"was not written by this command; choose another output, or --force to replace it"
    ):
        run(NameJob(), entries(*NAMES), path)
    run(NameJob(), entries(*NAMES), path, force=True)
    assert len(table_of(path)) == 3
