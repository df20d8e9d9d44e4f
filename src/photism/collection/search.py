"""Find the rows of an index whose vectors are the most similar to a query: exactly, or by its vector index.

Vectors have unit length, so that their dot product with a query of unit length is the cosine similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.collection.where import check_where, explain_where
from photism.display.short_repr import short_repr
from photism.errors import InputError

if TYPE_CHECKING:
    from lance import LanceDataset

    from photism.lance_table import ArrowTable

ArrowArray: TypeAlias = Any  # pyarrow has no types
VECTOR = "vector"
SCAN_ROWS = 8192
TOLERANCE = 1e-5
"""Larger than the error of a dot product in float32 of unit vectors. Rows so close to the last one of a first choice
are chosen too, and compared in float64."""
INDEX_VALUES = 50_000_000
"""Number of rows times their width from which on the vector index is used; fewer are compared one by one in about .2 s.
"""
NPROBES, REFINE_FACTOR = 256, 10
"""Partitions of the vector index that are searched, and how many times as many rows as are returned are compared by
their stored vectors: measured in benchmarks/README.md."""


@dataclass(frozen=True)
class Hit:
    """A recording, or a segment of one, that a search found.

    Attributes:
        location: path or URL of the recording.
        start_s: start of the segment in seconds, from the beginning of the file.
        end_s: its end; None for the end of the file.
        score: cosine similarity to the query, less a share of that to what is excluded.
        row: the columns of its row, apart from the vector.
    """

    location: str
    start_s: float
    end_s: float | None
    score: float
    row: Mapping[str, Any]

    def __repr__(self) -> str:
        return short_repr(self, location=self.location, start_s=self.start_s, end_s=self.end_s, score=self.score)

    @classmethod
    def of(cls, row: Mapping[str, Any], score: float) -> Hit:
        """Make a hit of a row of an index."""
        return cls(row["location"], row.get("start_s") or 0.0, row.get("end_s"), score, row)


def search_rows(
    dataset: LanceDataset,
    query: NDArray[np.floating[Any]],
    *,
    where: str | None = None,
    top_k: int = 10,
    all_windows: bool = False,
    exact: bool = False,
) -> list[Hit]:
    """Return the rows with the highest dot product of their vector with a query, the highest first.

    Rows of equal scores are ordered by location and start. Without a vector index all rows are compared, and the result
    is exact.

    Args:
        dataset: table with the columns `location`, `start_s`, `end_s` and `vector`.
        query: (D,) weights of the vector's components.
        where: condition in SQL; only rows that satisfy it are searched.
        top_k: number of hits.
        all_windows: return several segments of a recording. Otherwise its best one stands for the recording.
        exact: compare all rows even if there is a vector index.

    Raises:
        InputError: the query has another width than the vectors or is not finite, or the condition cannot be used.
    """
    query = check_query(dataset, query)
    check_where(dataset, where)
    if top_k < 1:
        raise InputError(f"top_k must be at least 1; got {top_k}")
    with explain_where(dataset, where):
        is_indexed = not exact and _is_faster(dataset, where)
        choose = indexed_rows(dataset, query, where) if is_indexed else scanned_rows(dataset, query, where)
        wanted = top_k
        while True:
            table, is_all = choose(wanted)
            hits = _ranked(table, query, is_all=is_all, wanted=wanted)
            if not all_windows:
                hits = best_of_each(hits)
            if len(hits) >= top_k or is_all:
                return hits[:top_k]
            wanted *= 4


def has_vector_index(dataset: LanceDataset) -> bool:
    """Return whether a table has a vector index."""
    return any(VECTOR in each.field_names for each in dataset.describe_indices())


def _is_faster(dataset: LanceDataset, where: str | None) -> bool:
    """Return whether the vector index is faster than comparing all rows that satisfy a condition."""
    return has_vector_index(dataset) and pays(dataset.count_rows(where), dataset.schema.field(VECTOR).type.list_size)


def pays(rows: int, width: int) -> bool:
    """Return whether a vector index of as many rows of a width saves a noticeable time."""
    return rows * width >= INDEX_VALUES


def check_query(dataset: LanceDataset, query: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return a query as float64.

    Raises:
        InputError: it has another width than the vectors of the table, or is not finite.
    """
    width = dataset.schema.field(VECTOR).type.list_size
    vector = np.asarray(query, np.float64)
    if vector.shape != (width,):
        raise InputError(f"the query must have the shape ({width},) of the vectors of the index; got {vector.shape}")
    if not np.isfinite(vector).all():
        raise InputError("the query must be finite")
    return vector


Chooser = Callable[[int], "tuple[ArrowTable, bool]"]
"""Returns at least the given number of best rows, and whether these are all rows."""


def scanned_rows(dataset: LanceDataset, query: NDArray[np.float64], where: str | None) -> Chooser:
    """Return a function that chooses rows by their scores, which are computed for all rows at its first call."""
    scores: NDArray[np.float32] | None = None
    offsets: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def choose(wanted: int) -> tuple[ArrowTable, bool]:
        nonlocal scores, offsets
        if scores is None:
            offsets, scores = scan_scores(dataset, query, where)
        if wanted >= len(scores):
            return dataset.take(offsets.tolist()), True
        last = -np.partition(-scores, wanted - 1)[wanted - 1]
        return dataset.take(offsets[scores >= last - 2 * TOLERANCE].tolist()), False

    return choose


def scan_scores(
    dataset: LanceDataset, query: NDArray[np.float64], where: str | None
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return the offsets (N,) of the rows that satisfy a condition, and their scores (N,)."""
    single = query.astype(np.float32)
    offsets, scores = [np.zeros(0, np.uint64)], [np.zeros(0, np.float32)]
    scanner = dataset.scanner(columns=["_rowoffset", VECTOR], filter=where, batch_size=SCAN_ROWS)
    for batch in scanner.to_batches():
        offsets.append(batch.column("_rowoffset").to_numpy())
        scores.append(vectors_of(batch.column(VECTOR)) @ single)
    return np.concatenate(offsets), np.concatenate(scores)


def indexed_rows(dataset: LanceDataset, query: NDArray[np.float64], where: str | None) -> Chooser:
    """Return a function that chooses rows by the vector index, and rows that it does not have by their scores."""

    def choose(wanted: int) -> tuple[ArrowTable, bool]:
        table = nearest_rows(dataset, query.astype(np.float32), wanted, where=where)
        return table, table.num_rows < wanted

    return choose


def nearest_rows(
    dataset: LanceDataset,
    query: NDArray[np.float32],
    count: int,
    *,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    nprobes: int = NPROBES,
    refine_factor: int = REFINE_FACTOR,
) -> ArrowTable:
    """Return the rows that the vector index finds nearest to a query (D,).

    Args:
        dataset: a table with a vector index.
        query: the query.
        count: number of rows.
        where: condition in SQL that applies before the search.
        columns: columns of the result; None for all.
        nprobes: number of partitions that are searched.
        refine_factor: how many times as many rows are compared by their stored vectors.
    """
    nearest = {"column": VECTOR, "q": query, "k": count, "metric": "cosine", "nprobes": nprobes}
    nearest["refine_factor"] = refine_factor
    names = [*(dataset.schema.names if columns is None else columns), "_distance"]
    return dataset.scanner(columns=names, filter=where, prefilter=True, nearest=nearest).to_table()


def vectors_of(column: ArrowArray) -> NDArray[np.float32]:
    """Return the vectors of a column as an array (N, D)."""
    import pyarrow

    width: int = column.type.list_size
    chunks = column.chunks if isinstance(column, pyarrow.ChunkedArray) else [column]
    arrays = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for chunk in chunks]
    return np.concatenate(arrays) if len(arrays) != 1 else arrays[0]


def _ranked(table: ArrowTable, query: NDArray[np.float64], *, is_all: bool, wanted: int) -> list[Hit]:
    """Return all rows of a table in order of their exact scores, without those that a row elsewhere may surpass."""
    # A sum along each row, not a product of matrices, of which the last bits depend on the position of a row.
    scores = (vectors_of(table.column(VECTOR)).astype(np.float64) * query).sum(axis=1)
    rows = table.drop_columns([each for each in (VECTOR, "_distance") if each in table.column_names]).to_pylist()
    hits = [Hit.of(row, float(score)) for row, score in zip(rows, scores, strict=True)]
    hits.sort(key=lambda hit: (-hit.score, hit.location, hit.start_s))
    if is_all or len(hits) <= wanted:
        return hits
    last = hits[wanted - 1].score
    return [hit for hit in hits if hit.score >= last - TOLERANCE]


def best_of_each(hits: list[Hit]) -> list[Hit]:
    """Return the first hit of each recording."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.location, hit)
    return list(best.values())
