"""Tables of rows with an id: commits, several processes, and files that do not pile up."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from photism import lance_table
from photism.errors import InputError
from photism.extras import install_command
from photism.lance_table import LanceTable, is_table, sql_in
from tests.support.collections import before_next_call

pa = pytest.importorskip("pyarrow")
pytest.importorskip("lance")
SCHEMA = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32(), 4))])
WRITER = """
import sys
import pyarrow as pa
from photism.lance_table import LanceTable, sql_in

table, writer = LanceTable.open(sys.argv[1]), sys.argv[2]
sys.stdin.readline()  # both begin together
for block in range(12):
    numbers = range(10 * block, 10 * block + 10)
    rows = {"id": [f"new-{number}" for number in numbers], "vector": [[float(writer)] * 4] * 10}
    table.insert(pa.table(rows, schema=table.schema), replaces=sql_in("id", [f"old-{n}" for n in numbers]))
    if block % 4 == 3:
        table.compact()
"""


def rows(*ids: str, value: float = 0.0):
    """Return rows with constant vectors."""
    return pa.table({"id": list(ids), "vector": [[value] * 4] * len(ids)}, schema=SCHEMA)


@pytest.fixture
def table(tmp_path: Path) -> LanceTable:
    """Return a table with the rows a and b."""
    created = LanceTable.create(str(tmp_path / "t.lance"), SCHEMA, {"photism": "{}"})
    created.insert(rows("a", "b"))
    return created


def test_a_table_keeps_its_schema_metadata_and_rows(table: LanceTable):
    opened = LanceTable.open(table.uri)
    assert opened.metadata == {"photism": "{}"}
    assert opened.schema.field("vector").type == pa.list_(pa.float32(), 4)
    assert (len(opened), list(opened.column("id"))) == (2, ["a", "b"])
    assert len(LanceTable.create(table.uri, SCHEMA, {})) == 2  # another process was first


def test_the_same_rows_are_the_table_that_lancedb_opens(table: LanceTable):
    lancedb = pytest.importorskip("lancedb")
    opened = lancedb.connect(Path(table.uri).parent).open_table("t")
    assert opened.count_rows() == 2
    assert opened.search(np.zeros(4, np.float32)).limit(1).to_list()[0]["id"] == "a"


def test_an_id_is_inserted_once_and_replaced_rows_leave_with_the_same_commit(table: LanceTable):
    version = table.dataset.version
    table.insert(rows("b", "c", value=1), replaces=sql_in("id", ["a", "b"]))
    assert table.dataset.version == version + 1
    assert table.dataset.to_table().to_pylist() == [
        {"id": "b", "vector": [0] * 4},  # as it was
        {"id": "c", "vector": [1] * 4},
    ]
    table.insert(rows("b", value=2), overwrite=True)
    assert {row["id"]: row["vector"][0] for row in table.dataset.to_table().to_pylist()} == {"b": 2, "c": 1}


def test_delete(table: LanceTable):
    table.insert(rows("it's\\n", "ä\n"))
    assert table.delete(sql_in("id", ["a", "none", "ä\n"])) == 2
    assert list(table.column("id")) == ["b", "it's\\n"]
    assert table.delete(sql_in("id", ["it's\\n"])) == 1


def test_added_columns_are_empty_in_the_rows_that_there_are(table: LanceTable):
    table.add_columns(pa.schema([("id", pa.string()), ("species", pa.string())]))
    wider = pa.table({"id": ["c"], "vector": [[0.0] * 4], "species": ["owl"]}, schema=table.schema)
    table.insert(wider)
    assert list(table.column("species")) == [None, None, "owl"]


def test_two_processes_may_add_the_same_column_at_the_same_time(table: LanceTable, monkeypatch: pytest.MonkeyPatch):
    other, species = LanceTable.open(table.uri), pa.schema([("species", pa.string())])
    before_next_call(monkeypatch, type(table.dataset), "add_columns", lambda: other.add_columns(species))
    table.add_columns(pa.schema([*species, ("place", pa.string())]))
    assert table.schema.names == ["id", "vector", "species", "place"]


@pytest.mark.parametrize(
    ("name", "allowed"), [("a b", "a b"), ("a.b", "a_b"), ("`", "column_"), ("", "column"), ("_rowid", "column_rowid")]
)
def test_names_of_columns_are_those_that_lance_allows(table: LanceTable, name: str, allowed: str):
    assert lance_table.lance_column_name(name) == allowed
    table.add_columns(pa.schema([(allowed, pa.int64())]))
    table.insert(pa.table({"id": ["c"], "vector": [[0.0] * 4], allowed: [1]}, schema=table.schema))
    assert list(table.column(allowed)) == [None, None, 1]


def test_two_processes_that_insert_the_same_rows_insert_them_once(table: LanceTable):
    table.delete("true")
    table.insert(rows(*(f"old-{number}" for number in range(120))))
    command = [sys.executable, "-c", WRITER, table.uri]
    writers = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in "12"]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sorted(table.column("id")) == sorted(f"new-{number}" for number in range(120))


def test_daily_updates_do_not_let_the_folder_grow(table: LanceTable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lance_table, "VERSIONS_ARE_KEPT_FOR", timedelta(0))

    def update(days: range) -> int:
        """Insert and delete a row each day; return the bytes of the folder."""
        for day in days:
            table.insert(rows(f"day-{day}"), replaces=f"id = 'day-{day - 1}'")
            table.compact()
        return sum(file.stat().st_size for file in Path(table.uri).rglob("*"))

    update(range(10))
    size = update(range(10, 20))
    assert update(range(20, 40)) < 1.5 * size
    assert len(table) == 3
    assert len(table.dataset.get_fragments()) <= lance_table.MAX_SMALL_FRAGMENTS + 1


def test_a_reader_keeps_its_version_while_files_are_merged(table: LanceTable):
    reader = LanceTable.open(table.uri)._dataset
    for number in range(12):
        table.insert(rows(f"c{number}"), replaces="id = 'a'")
    table.compact()
    assert len(table.dataset.get_fragments()) == 1
    assert reader.to_table().column("id").to_pylist() == ["a", "b"]


def test_what_is_no_table_is_named_and_left_as_it_is(tmp_path: Path):
    file, folder = tmp_path / "notes.lance", tmp_path / "sounds.lance"
    file.write_text("mine")
    folder.mkdir()
    (folder / "a.wav").write_text("mine")
    for path in (file, folder):
        assert not is_table(str(path))
        with pytest.raises(InputError, match=f"{path.name} is not a Lance data set, and is not overwritten"):
            LanceTable.create(str(path), SCHEMA, {})
        with pytest.raises(InputError, match=f"{path.name} is not a Lance data set"):
            LanceTable.open(str(path))
    assert (file.read_text(), (folder / "a.wav").read_text()) == ("mine", "mine")
    with pytest.raises(InputError, match=r"bad://x is not a Lance data set: Invalid user input: No object store .*bad"):
        LanceTable.open("bad://x")
    with pytest.raises(InputError, match=r"none.lance: no such Lance data set$"):
        LanceTable.open("none.lance")
    with pytest.raises(InputError, match=r"t.csv: the name of a Lance data set must end in .lance"):
        LanceTable.create(str(tmp_path / "t.csv"), SCHEMA, {})
    with pytest.raises(InputError, match=r"t.lance: the folder .*none does not exist; create it"):
        LanceTable.create(str(tmp_path / "none" / "t.lance"), SCHEMA, {})
    with pytest.raises(InputError, match=r"/proc/t.lance cannot be created: .*No such file or directory .os error 2.$"):
        LanceTable.create("/proc/t.lance", SCHEMA, {})


def test_a_damaged_table_is_not_overwritten(table: LanceTable):
    (manifest, *_) = Path(table.uri, "_versions").iterdir()
    for file in Path(table.uri, "_versions").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    assert is_table(table.uri)
    with pytest.raises(InputError, match=r"t.lance cannot be created: .*file size is too small"):
        LanceTable.create(table.uri, SCHEMA, {})
    assert manifest.stat().st_size == 20


def test_a_table_without_pylance(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(InputError, match=f"needs pylance, .*: {re.escape(install_command('collection'))}$"):
        LanceTable.open("t.lance")
