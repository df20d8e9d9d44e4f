"""Reader of Lance data sets and Parquet files: a row is a recording, or a segment of one.

Columns that a model computed, which `photism index` and the listening commands write, hold no ground truth. They are
targets only if their name is given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from photism.errors import InputError
from photism.extras import missing
from photism.lance_table import import_lance, is_table
from photism.manifest.hf_dataset import class_names
from photism.manifest.places import sound_at
from photism.training.data.example import DataSource, Example, ListedRow, RowReader
from photism.training.data.metadata import merge_rows
from photism.training.data.stratified import choose_examples

ArrowDataset: TypeAlias = Any  # pyarrow has no types
ArrowSchema: TypeAlias = Any
ArrowType: TypeAlias = Any
LANCE, PARQUET = ".lance", ".parquet"
SOUNDS_AT_ONCE = 16
"""Recordings that are read together from a column of bytes."""
SCORE = "score"
"""Field of a label that a model recognised: {"label": "dog", "score": 0.9}."""


def is_arrow_data(data: str) -> bool:
    """Return whether data are a Lance data set or a Parquet file, by the name or, for a folder, by what is in it."""
    return data.rstrip("/").endswith((LANCE, PARQUET)) or ("://" not in data and is_table(data))


def read_arrow_data(
    data: str, rows: RowReader, *, named_columns: Sequence[str] = (), limit: int | None = None
) -> DataSource:
    """Return the examples of a Lance data set or a Parquet file.

    Recordings are places as in a manifest, such as paths, URLs and "shard.tar#key"; relative paths are relative to the
    folder of the data or, where there is no such file, to the working folder. Rows of the same file and segment are one
    example with several texts. Recordings in a column of bytes are read when they are needed.

    Args:
        data: path or URL.
        rows: how rows become examples.
        named_columns: columns that settings name.
        limit: number of examples to choose, from all splits and classes.

    Raises:
        InputError: there are no such data or columns, no column has targets, or a row cannot be used.
    """
    dataset = _open(data)
    columns = _Columns.of(dataset.schema, rows, named_columns, data)
    values = (columns.values(row) for batch in dataset.to_batches(columns=columns.read) for row in batch.to_pylist())
    if columns.sound is None:
        folder = Path(os.path.abspath(data)).parent
        examples = merge_rows((ListedRow(row, folder) for row in values), rows, folder)
        chosen = (examples[index] for index in choose_examples(examples, limit))
        return DataSource([_with_place(example, folder) for example in chosen], columns.notes)
    without_sound = [{"name": f"{Path(data).name}/{index}", **row} for index, row in enumerate(values)]
    chosen = choose_examples([rows.example({**row, columns.sound: None}) for row in without_sound], limit)
    return DataSource(_read_sounds(dataset, columns.sound, without_sound, frozenset(chosen), rows), columns.notes)


def version_of(data: str) -> str:
    """Return a text that changes when a Lance data set or a Parquet file does.

    Raises:
        InputError: there are no such data.
    """
    dataset = _open(data)
    if hasattr(dataset, "versions"):
        return f"{data}: {dataset.version}, {dataset.versions()[-1]['timestamp']}"
    stats = [os.stat(file) for file in dataset.files] if "://" not in data else []
    return f"{data}: {[(stat.st_size, stat.st_mtime_ns) for stat in stats]}"


@dataclass(frozen=True)
class _Columns:
    """Columns of a data set.

    Attributes:
        read: columns that are read, without that of recordings as bytes.
        sound: column of recordings as bytes; None if there are only paths.
        scored: columns with labels that a model recognised, with the field that has their text.
        classes: columns with numbers of classes, with their names.
        notes: which columns of results of a model are read and which are not, as sentences.
    """

    read: Sequence[str]
    sound: str | None
    scored: Mapping[str, str]
    classes: Mapping[str, Any]
    notes: Sequence[str]

    @classmethod
    def of(cls, schema: ArrowSchema, rows: RowReader, named: Sequence[str], data: str) -> _Columns:
        """Return which columns of a schema are read.

        Raises:
            InputError: one that is named does not exist, or a model computed all that could be targets.
        """
        missing = [name for name in named if name not in schema.names]
        if missing:
            raise InputError(f"{data} has no column {' or '.join(missing)}; its columns are {', '.join(schema.names)}")
        scored = {field.name: text for field in schema for text in [_scored_text(field.type)] if text}
        computed = [name for name in schema.names if name in scored or name in _computed(schema)]
        skipped = [name for name in computed if name not in named]
        sound = next((name for name in rows.sound_columns if name in schema.names), None)
        if sound and not _has_bytes(schema.field(sound).type):
            sound = None
        read = [each.name for each in schema if each.name not in (sound, *skipped) and not _is_vector(each.type)]
        candidates = rows.read_columns(dict.fromkeys(skipped, "x"))
        ignored = [name for name in (*candidates.used, *candidates.unused) if name in skipped]
        if ignored and not rows.read_columns(dict.fromkeys(read, "x")).used:
            raise InputError(
                f"{data} has no column with targets but {', '.join(ignored)}, which a model computed; name the one to "
                "train on as if it were right, or add a column"
            )
        trained = [name for name in named if name in computed]
        notes = [f"a model computed column {name}, which is read as if it were right" for name in trained]
        notes += [f"a model computed column {name}, which is not read" for name in ignored]
        return cls(read, sound, scored, _classes(schema), notes)

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with the names of its classes and, of labels with scores, the one with the best score."""
        best = {name: _best(row[name], text) for name, text in self.scored.items() if name in row}
        classes = {name: class_names(feature, row[name]) for name, feature in self.classes.items() if name in row}
        return {**row, **best, **classes}


def _open(data: str) -> ArrowDataset:
    try:
        import pyarrow.dataset
    except ModuleNotFoundError:
        raise missing("pyarrow", data, "collection") from None
    is_parquet = data.rstrip("/").endswith(PARQUET)
    if "://" not in data and not Path(data).exists():
        raise InputError(f"{data}: no such {'Parquet file' if is_parquet else 'Lance data set'}")
    try:
        return pyarrow.dataset.dataset(data, format="parquet") if is_parquet else import_lance().dataset(data)
    except (OSError, ValueError) as error:  # errors of Arrow are ValueErrors
        reason = str(error).partition("\n")[0]
        raise InputError(f"{data} is not a {'Parquet file' if is_parquet else 'Lance data set'}: {reason}") from None


def _read_sounds(
    dataset: ArrowDataset,
    sound: str,
    without_sound: Sequence[Mapping[str, Any]],
    chosen: frozenset[int],
    rows: RowReader,
) -> Iterator[Example]:
    """Yield the chosen examples with the recordings from a column of bytes."""
    arguments = {"blob_handling": "all_binary"} if hasattr(dataset, "versions") else {}
    batches: Iterable[Any] = dataset.scanner(columns=[sound], batch_size=SOUNDS_AT_ONCE, **arguments).to_batches()
    values = (value for batch in batches for value in batch.column(0))
    for index, (row, value) in enumerate(zip(without_sound, values, strict=True)):
        if index in chosen:
            yield rows.example({**row, sound: value.as_py()})


def _with_place(example: Example, folder: Path) -> Example:
    """Return an example whose recording may also be in a shard, a table or a data set."""
    return example if example.sound is None else replace(example, sound=sound_at(example.name, folder=folder))


def _computed(schema: ArrowSchema) -> Sequence[str]:
    """Return the columns that a command of Photism computed, as its data say."""
    text = (schema.metadata or {}).get(b"photism")
    found = json.loads(text) if text else {}
    return found.get("computed", ()) if isinstance(found, dict) else ()


def _classes(schema: ArrowSchema) -> Mapping[str, Any]:
    """Return the columns with numbers of classes of a file that `datasets` wrote."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    from datasets import ClassLabel, Features

    features = {name: getattr(each, "feature", each) for name, each in Features.from_arrow_schema(schema).items()}
    return {name: feature for name, feature in features.items() if isinstance(feature, ClassLabel)}


def _scored_text(kind: ArrowType) -> str | None:
    """Return the name of the text in a type such as list<struct<label: string, score: float>>; None for others."""
    import pyarrow as pa

    if not hasattr(kind, "value_type") or not pa.types.is_struct(kind.value_type):
        return None
    fields = list(kind.value_type)
    texts = [field.name for field in fields if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    return texts[0] if texts and SCORE in [field.name for field in fields] else None


def _best(labels: Sequence[Mapping[str, Any]] | None, text: str) -> str | None:
    return max(labels, key=lambda label: label[SCORE])[text] if labels else None


def _has_bytes(kind: ArrowType) -> bool:
    """Return whether a column has bytes: itself, or in a field as a blob of Lance or an Audio feature of `datasets`."""
    import pyarrow as pa

    kind = getattr(kind, "storage_type", kind)
    kinds = [kind, *(field.type for field in kind)] if pa.types.is_struct(kind) else [kind]
    return any(pa.types.is_binary(each) or pa.types.is_large_binary(each) for each in kinds)


def _is_vector(kind: ArrowType) -> bool:
    import pyarrow as pa

    return pa.types.is_fixed_size_list(kind)
