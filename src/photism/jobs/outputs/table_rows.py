"""Rows on their way to a table of Arrow, whose columns get their types from the job and from the first rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from photism.errors import InputError
from photism.files import as_utf8
from photism.jobs.job import Vector

if TYPE_CHECKING:
    from photism.jobs.provenance import Provenance

ArrowType: TypeAlias = Any  # pyarrow has no types
ArrowTable: TypeAlias = Any
BLOCK_ROWS = 1000
BLOCK_S = 30.0
"""Rows, and seconds since the first of them, after which a block is written: what a kill can lose at most."""
METADATA = "photism"
"""Key of the metadata of a schema: a JSON object with the provenance, and the names of the columns that the model
computed as `computed`."""
OWN_TYPES: Mapping[str, Any] = {"file": str, "start_s": float, "end_s": float, "id": str}


def import_pyarrow() -> Any:
    """Return the module `pyarrow`, with `pyarrow.parquet`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise InputError("Parquet and Lance need pyarrow: pip install 'photism[collection]'") from None
    return import_module("pyarrow")


class TableRows:
    """Rows that wait to be written as a block.

    Columns of the job have the types that it declares. A column of the manifest has the type of its values in the first
    block in which it has any, or text if these are of several types; values of another type are refused after that.

    Args:
        columns: columns of the job, by name, with their types as Python has them: `str`, `float`, `int`, `bool`; a list
            with the type of its elements; a dict of the types of its fields; and `Vector`, whose length is that of the
            first one.
        clock: returns the time in seconds.

    Attributes:
        types: types of the columns that are known.
    """

    def __init__(self, columns: Mapping[str, Any], *, clock: Callable[[], float] = monotonic) -> None:
        self.types: dict[str, ArrowType] = {}
        self._declared = {**columns, **OWN_TYPES}
        self._rows: list[dict[str, Any]] = []
        self._clock, self._since = clock, 0.0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_block(self) -> bool:
        """Whether there are enough rows, or old enough ones, for a block."""
        is_old = bool(self._rows) and self._clock() - self._since >= BLOCK_S
        return is_old or len(self._rows) >= BLOCK_ROWS

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the rows of a recording.

        Raises:
            InputError: the value of a column of the manifest has another type than the first ones.
        """
        fitting = [{name: self._fit(name, _utf8(value)) for name, value in row.items()} for row in rows]
        if not self._rows:
            self._since = self._clock()
        self._rows += fitting

    def take(self) -> ArrowTable:
        """Return the rows as a table, and forget them."""
        pa = import_pyarrow()
        rows, self._rows = self._rows, []
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in self.types:
                self._learn(name, rows)
        fields = sorted(self.types, key=lambda name: (name == "id", name != "file"))  # the id is the last column
        return pa.Table.from_pylist(rows, pa.schema([(name, self.types[name]) for name in fields]))

    def _fit(self, name: str, value: Any) -> Any:
        """Return a value of a column as its type has it."""
        known = self.types.get(name)
        if known is None or value is None or name in self._declared:
            return value
        pa = import_pyarrow()
        try:
            if pa.types.is_string(known):
                return _text(value)
            return pa.array([value]).cast(known)[0].as_py()  # not with a type, which would truncate a number
        except (pa.ArrowException, TypeError, ValueError):
            raise InputError(f"column {name} must be {known}, as in the first rows; got {value!r:.40}") from None

    def _learn(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Learn the type of a column, if the rows have a value of it."""
        pa = import_pyarrow()
        values = [value for row in rows if (value := row.get(name)) is not None]
        if name in self._declared:
            self.types[name] = arrow_type(self._declared[name], values)
        elif values:
            try:
                self.types[name] = pa.array(values).type
            except (pa.ArrowException, TypeError, ValueError):
                self.types[name] = pa.string()
                for row in rows:
                    if row.get(name) is not None:
                        row[name] = _text(row[name])


def arrow_type(declared: Any, values: Sequence[Any] = ()) -> ArrowType:
    """Return a type of Arrow.

    Args:
        declared: the type as a job declares it.
        values: values of the column, of which the first one says the length of vectors.
    """
    pa = import_pyarrow()
    if isinstance(declared, list):
        return pa.list_(arrow_type(cast("list[Any]", declared)[0]))
    if isinstance(declared, Mapping):
        fields = cast("Mapping[str, Any]", declared)
        return pa.struct([(name, arrow_type(each)) for name, each in fields.items()])
    if declared is Vector:
        return pa.list_(pa.float32(), len(values[0]))
    return {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}[declared]


def metadata_of(provenance: Provenance, columns: Mapping[str, Any], **further: Any) -> dict[str, str]:
    """Return the metadata of a schema.

    Args:
        provenance: provenance of the rows.
        columns: columns of the job.
        further: further values.
    """
    return {METADATA: json.dumps({**provenance.as_dict(), "computed": sorted(columns), **further})}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _utf8(value: Any) -> Any:
    """Return a value in which the bytes of a file name that is not UTF-8 are escaped, since Arrow has UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else as_utf8(value)
    if isinstance(value, list):
        return [_utf8(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _utf8(each) for name, each in cast("dict[str, Any]", value).items()}
    return value
