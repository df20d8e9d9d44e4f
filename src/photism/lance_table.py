"""Rows with an id in a Lance data set, which several processes may write to at the same time.

A data set is a folder, or a prefix of object storage, of immutable files. Each write commits a new version; a reader
keeps the version that it opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from photism.errors import InputError, is_disk_full, name_full_disk
from photism.extras import missing

if TYPE_CHECKING:
    import lance

ArrowSchema: TypeAlias = Any  # pyarrow has no types
ArrowTable: TypeAlias = Any
PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
"""Metadata of the column `id`. With it, Lance finds that two processes insert the same id, and repeats one of the
writes; without it, both insert the row."""
CONFLICT_RETRIES = 50
RETRY_TIMEOUT = timedelta(minutes=10)
ROWS_PER_FRAGMENT = 100_000
"""Rows of a file that is not rewritten any more."""
MAX_SMALL_FRAGMENTS = 8
"""Number of smaller files, one for each write, from which on they are merged."""
VERSIONS_ARE_KEPT_FOR = timedelta(days=1)
"""Age up to which replaced files stay, for those who are reading them."""
SUFFIX = ".lance"
OWN_FOLDERS = {"data", "_deletions", "_indices", "_transactions", "_versions"}
"""Folders in the folder of a data set."""


def import_lance() -> Any:
    """Return the module `lance`, which logs errors only unless LANCE_LOG says otherwise.

    Raises:
        InputError: pylance is not installed.
    """
    os.environ.setdefault("LANCE_LOG", "error")  # read when it is imported
    try:
        import lance
    except ModuleNotFoundError:
        raise missing("lance", "a Lance data set", "collection") from None
    return lance


class LanceTable:
    """A Lance data set whose rows have a column `id`, with no id twice.

    Attributes:
        uri: path or URL of the data set.
    """

    def __init__(self, uri: str, dataset: lance.LanceDataset) -> None:
        self.uri = uri
        self._dataset = dataset

    @classmethod
    def open(cls, uri: str) -> LanceTable:
        """Open a data set.

        Raises:
            InputError: there is none at this place.
        """
        lance = import_lance()
        if "://" not in uri and not Path(uri).is_dir():  # for a file, Lance retries for seconds
            raise InputError(
                f"{uri} is not a Lance data set" if Path(uri).exists() else f"{uri}: no such Lance data set"
            )
        try:
            return cls(uri, lance.dataset(uri))
        except (OSError, ValueError) as error:
            raise InputError(f"{uri} is not a Lance data set: {_reason(error)}") from error

    @classmethod
    def create(
        cls, uri: str, schema: ArrowSchema, metadata: Mapping[str, str], *, overwrite: bool = False
    ) -> LanceTable:
        """Create a data set without rows; where another process is first, open its data set.

        Args:
            uri: path or URL.
            schema: columns; the one that is named `id` becomes the primary key.
            metadata: metadata of the schema.
            overwrite: replace a data set, its columns and metadata; its readers keep its rows.

        Raises:
            InputError: the place is a file, another folder or a damaged data set, or cannot be written.
        """
        lance = import_lance()
        number = schema.get_field_index("id")
        schema = schema.set(number, schema.field(number).with_nullable(False).with_metadata(PRIMARY_KEY))
        schema = schema.with_metadata(dict(metadata))
        check_place(uri)
        try:
            with name_full_disk(Path(uri)):
                lance.write_dataset(schema.empty_table(), uri, mode="overwrite" if overwrite else "create")
        except (OSError, ValueError) as error:
            if is_disk_full(error):
                raise
            if "already exists" not in str(error):
                raise InputError(f"{uri} cannot be created: {_reason(error)}") from error
        return cls.open(uri)

    @property
    def dataset(self) -> lance.LanceDataset:
        """The newest version of the data set."""
        self._dataset.checkout_latest()
        return self._dataset

    @property
    def schema(self) -> ArrowSchema:
        """The columns, and in their metadata that of the data set."""
        return self.dataset.schema

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata that `create` was given."""
        return {name.decode(): value.decode() for name, value in (self.schema.metadata or {}).items()}

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.dataset.count_rows()

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of a column in the order of the rows."""
        for batch in self.dataset.to_batches(columns=[name]):
            yield from batch.column(0).to_pylist()

    def insert(self, rows: ArrowTable, *, replaces: str | None = None, overwrite: bool = False) -> None:
        """Insert rows whose id is new, and delete those that they replace, in one commit.

        Args:
            rows: rows with the columns of the data set, no id twice.
            replaces: condition in SQL of the rows to delete, apart from those that have the id of one of `rows`.
            overwrite: also write the rows whose id is there already.

        Raises:
            OSError: the disk is full, or other processes wrote for many minutes without a pause.
        """
        merge = self.dataset.merge_insert("id").conflict_retries(CONFLICT_RETRIES).retry_timeout(RETRY_TIMEOUT)
        merge = merge.when_not_matched_insert_all()
        if overwrite:
            merge = merge.when_matched_update_all()
        if replaces is not None:
            merge = merge.when_not_matched_by_source_delete(replaces)
        with name_full_disk(Path(self.uri)):
            merge.execute(rows)

    def delete(self, where: str) -> int:
        """Delete the rows that satisfy a condition in SQL, in one commit, and return their number."""
        with name_full_disk(Path(self.uri)):
            found = self.dataset.delete(where, conflict_retries=CONFLICT_RETRIES, retry_timeout=RETRY_TIMEOUT)
        return found["num_deleted_rows"]

    def add_columns(self, columns: ArrowSchema) -> None:
        """Add columns, with no values in the rows that there are; columns that exist are left as they are."""
        import pyarrow as pa

        def add_missing() -> None:
            missing = [field for field in columns if field.name not in self._dataset.schema.names]
            if missing:
                self._dataset.add_columns(pa.schema(missing))

        if not commit(self.dataset, add_missing, tries=CONFLICT_RETRIES):
            raise OSError(f"{self.uri}: other processes write without a pause")

    def change_types(self, columns: ArrowSchema, convert: Callable[[Any, Any], Any]) -> None:
        """Rewrite the data set, in one commit, if columns have other types now; no other process may write it.

        Args:
            columns: columns with their types.
            convert: returns a column of Arrow with a type.
        """
        import pyarrow as pa

        schema = before = self.schema
        for number, field in enumerate(before):
            if field.name in columns.names:
                schema = schema.set(number, field.with_type(columns.field(field.name).type))
        if schema.types == before.types:
            return
        batches = (
            pa.record_batch([convert(batch.column(each.name), each.type) for each in schema], schema=schema)
            for batch in self.dataset.to_batches()
        )
        with name_full_disk(Path(self.uri)):
            reader = pa.RecordBatchReader.from_batches(schema, batches)
            self._dataset = import_lance().write_dataset(reader, self.uri, mode="overwrite")

    def compact(self) -> None:
        """Merge the small files of many writes, and delete files that were replaced more than a day ago.

        Where another process writes at the same time, this is left to the next call.
        """
        dataset = self.dataset
        small = [each for each in dataset.get_fragments() if each.count_rows() < ROWS_PER_FRAGMENT]
        if len(small) > MAX_SMALL_FRAGMENTS:
            commit(dataset, lambda: dataset.optimize.compact_files(target_rows_per_fragment=ROWS_PER_FRAGMENT), tries=1)
        self.dataset.cleanup_old_versions(older_than=VERSIONS_ARE_KEPT_FOR)


def commit(dataset: lance.LanceDataset, write: Callable[[], object], *, tries: int) -> bool:
    """Write to a data set with a function, and return whether no other process prevented it by a commit of its own.

    Args:
        dataset: the data set, which is at its newest version before each try.
        write: the function, which may raise Lance's error of a conflict.
        tries: how often to call it.
    """
    for _ in range(tries):
        dataset.checkout_latest()
        try:
            write()
        except OSError as error:
            if "commit conflict" not in str(error):
                raise
        else:
            return True
    return False


def is_table(uri: str) -> bool:
    """Return whether there is a Lance data set at a path or URL; a damaged one counts."""
    if "://" not in uri:
        versions = Path(uri) / "_versions"
        return versions.is_dir() and any(versions.iterdir())
    try:
        import_lance().dataset(uri)
    except ValueError:  # nothing, or object storage that cannot be reached
        return False
    return True


def lance_column_name(name: str) -> str:
    """Return the name of a column as Lance allows it: not empty, without . and `, and unlike those of its own."""
    allowed = re.sub("[.`]", "_", name) or "column"
    return f"column{allowed}" if allowed.startswith("_") else allowed


def check_place(uri: str) -> None:
    """Check that a data set is at a path or URL, or can be created there, as far as that can be said without trying.

    Raises:
        InputError: the name does not end in .lance, without which LanceDB does not find the table; there is a file, or
            a folder with anything else in it; its folder is missing; or pylance is not installed.
    """
    import_lance()
    if not uri.rstrip("/").lower().endswith(SUFFIX):
        raise InputError(f"{uri}: the name of a Lance data set must end in {SUFFIX}")
    path = Path(uri)
    if "://" in uri:
        return
    if not path.absolute().parent.is_dir():
        raise InputError(f"{uri}: the folder {path.parent} does not exist; create it")
    if path.exists() and (not path.is_dir() or {each.name for each in path.iterdir()} - OWN_FOLDERS):
        raise InputError(f"{uri} is not a Lance data set, and is not overwritten; choose another name")


def _reason(error: Exception) -> str:
    """Return what Lance says in an error, without the places in its source."""
    return re.split(r", /\S+\.rs:\d+", " ".join(str(error).split()))[0]


def sql_in(expression: str, texts: Iterable[str]) -> str:
    """Return the condition in SQL that an expression, such as the name of a column, is one of some texts."""
    quoted = (text.replace("'", "''") for text in texts)
    return f"{expression} IN (" + ", ".join(f"'{text}'" for text in quoted) + ")"
