"""Rows on their way to a table of Arrow, whose columns get their types from the job and from the first rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from photism.errors import InputError
from photism.extras import missing
from photism.files import as_utf8
from photism.jobs.job import Vector
from photism.jobs.rows import json_value

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
UNFIT_VALUES = (TypeError, ValueError, OverflowError)
"""Errors besides those of Arrow of values that are of no type of Arrow, or of several."""
OWN_TYPES: Mapping[str, Any] = {"file": str, "start_s": float, "end_s": float, "id": str}


def import_pyarrow() -> Any:
    """Return the module `pyarrow`, with `pyarrow.parquet`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise missing("pyarrow", "a file of Parquet or Lance", "collection") from None
    return import_module("pyarrow")


class TableRows:
    """Rows that wait to be written as a block.

    Columns of the job have the types that it declares. A column of the manifest has the type of its values in the first
    block in which it has any, or text if these are of several types or Arrow cannot store them. A later value of
    another type makes whole numbers decimal ones, and anything else text.

    Args:
        columns: columns of the job, by name, with their types as Python has them: `str`, `float`, `int`, `bool`; a list
            with the type of its elements; a dict of the types of its fields; and `Vector`, whose length is that of the
            first one.
        widens: change the type of a column for a value of another one, which the output then has to do in the blocks
            that it has (`as_type`); otherwise the value is refused.
        clock: returns the time in seconds.

    Attributes:
        types: types of the columns that are known.
    """

    def __init__(
        self, columns: Mapping[str, Any], *, widens: bool = True, clock: Callable[[], float] = monotonic
    ) -> None:
        self.types: dict[str, ArrowType] = {}
        self._declared, self._widens = {**columns, **OWN_TYPES}, widens
        self._rows: list[dict[str, Any]] = []
        self._clock, self._since = clock, 0.0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_block(self) -> bool:
        """True if there are enough rows, or old enough ones, for a block."""
        is_old = bool(self._rows) and self._clock() - self._since >= BLOCK_S
        return is_old or len(self._rows) >= BLOCK_ROWS

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the rows of a recording.

        Raises:
            InputError: a column of the manifest has another type than in the first rows, and may not change it.
        """
        fitting = [{name: self._fit(name, _utf8(value)) for name, value in row.items()} for row in rows]
        if not self._rows:
            self._since = self._clock()
        self._rows += fitting

    def take(self) -> ArrowTable:
        """Return the rows as a table, and forget them."""
        pa = import_pyarrow()
        for name in dict.fromkeys(name for row in self._rows for name in row):
            if name not in self.types:
                self._learn(name)
        fields = sorted(self.types, key=lambda name: (name == "id", name != "file"))  # the id is the last column
        table = pa.Table.from_pylist(self._rows, pa.schema([(name, self.types[name]) for name in fields]))
        self._rows = []
        return table

    def _fit(self, name: str, value: Any) -> Any:
        """Return a value of a column as its type has it."""
        known = self.types.get(name)
        if known is None or value is None or name in self._declared:
            return value
        pa = import_pyarrow()
        if pa.types.is_string(known):
            return _text(value)
        try:
            return pa.array([value]).cast(known)[0].as_py()  # not with a type, which would truncate a number
        except (pa.ArrowException, *UNFIT_VALUES):
            if self._widens:
                return self._widen(name, value)
            raise InputError(f"column {name} must be {known}, as in the first rows; got {value!r:.40}") from None

    def _widen(self, name: str, value: Any) -> Any:
        """Change the type of a column to one that a value also has, and return the value as that type has it."""
        pa = import_pyarrow()
        is_number = pa.types.is_integer(self.types[name]) and isinstance(value, float)
        self.types[name], convert = (pa.float64(), float) if is_number else (pa.string(), _text)
        for row in self._rows:
            if row.get(name) is not None:
                row[name] = convert(row[name])
        return convert(value)

    def _learn(self, name: str) -> None:
        """Learn the type of a column, if the rows have a value that determines it."""
        pa = import_pyarrow()
        values = [value for row in self._rows if (value := row.get(name)) is not None]
        if name in self._declared:
            self.types[name] = arrow_type(self._declared[name], values)
        elif not all(map(_is_empty, values)):
            try:
                self.types[name] = pa.array(values).type
            except (pa.ArrowException, *UNFIT_VALUES):
                self.types[name] = pa.string()
            if _has_unknown(self.types[name]):
                self.types[name] = pa.string()
            if pa.types.is_string(self.types[name]):
                for row in self._rows:
                    if row.get(name) is not None:
                        row[name] = _text(row[name])


def as_type(column: ArrowTable, type: ArrowType) -> ArrowTable:
    """Return a column of a block with the type that `TableRows` has changed that of the column to."""
    pa = import_pyarrow()
    if column.type == type:
        return column
    if pa.types.is_string(type):
        return pa.array([None if value is None else _text(value) for value in column.to_pylist()], type)
    return column.cast(type, safe=False)  # a large whole number is rounded to a decimal one


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


def _is_empty(value: Any) -> bool:
    """Return whether a value is null, or a list or object without anything else, which determines no type."""
    if isinstance(value, list):
        return all(map(_is_empty, cast("list[Any]", value)))
    return value is None or (isinstance(value, dict) and all(map(_is_empty, cast("dict[str, Any]", value).values())))


def _has_unknown(type: ArrowType) -> bool:
    """Return whether a type has a part that no value determines, and which fits no later value."""
    pa = import_pyarrow()
    if pa.types.is_struct(type):
        return not type.num_fields or any(_has_unknown(type.field(index).type) for index in range(type.num_fields))
    return pa.types.is_null(type) or (pa.types.is_list(type) and _has_unknown(type.value_type))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else as_utf8(json.dumps(json_value(value), ensure_ascii=False))


def _utf8(value: Any) -> Any:
    """Return a value in which the bytes of a file name that is not UTF-8 are escaped, since Arrow has UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else as_utf8(value)
    if isinstance(value, list):
        return [_utf8(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _utf8(each) for name, each in cast("dict[str, Any]", value).items()}
    return value
