"""The vector index of a table: build it, keep it up to date, and measure what it finds of what there is.

Lance's IVF_RQ assigns vectors to partitions by their nearest centroid and codes them by RaBitQ (Gao and Long, 2024,
https://arxiv.org/abs/2405.12497). A query reads the codes of the nearest partitions, and compares the best rows by
their stored vectors.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.collection.search import (
    INDEX_VALUES,
    SCAN_ROWS,
    VECTOR,
    has_vector_index,
    nearest_rows,
    pays,
    search_rows,
    vectors_of,
)
from photism.errors import InputError
from photism.lance_table import commit

if TYPE_CHECKING:
    from lance import LanceDataset

MIN_ROWS = 4096
"""Fewest rows of which an index is built: a partition of Lance's has as many."""
RQ_WIDTH = 8
"""Lance's IVF_RQ codes so many components in a byte."""
COMMIT_TRIES = 5
"""How often a vector index is built or brought up to date before it is left to a later call."""
QUERIES, NEIGHBOURS = 100, 10
EXACT_QUERIES = 5
"""Number of queries of which the time of an exact search is measured: each reads all rows."""
SAME_SCORE = 1e-6


@dataclass(frozen=True)
class VectorIndexReport:
    """What was built, and how much of what an exact search finds it finds.

    Attributes:
        rows: number of rows in the index.
        width: width of the vectors.
        seconds: time that it took to build.
        recall: recall@10 of 100 rows as queries, each without itself.
        milliseconds: median time of these queries.
        exact_milliseconds: median time of an exact search for one of the first of them.
    """

    rows: int
    width: int
    seconds: float
    recall: float
    milliseconds: float
    exact_milliseconds: float

    def __str__(self) -> str:
        built = (
            f"vector index of {self.rows:,} rows built in {self.seconds:.1f} s: recall@{NEIGHBOURS} {self.recall:.3f} "
            f"against an exact search, {self.milliseconds:.1f} ms a query instead of {self.exact_milliseconds:.0f} ms"
        )
        if pays(self.rows, self.width):
            return built
        return f"{built}; it is used from {INDEX_VALUES // self.width:,} rows on, of fewer all are compared"


def build_vector_index(dataset: LanceDataset) -> VectorIndexReport:
    """Build a vector index of all rows, in place of one that there is, and measure its recall.

    Args:
        dataset: the newest version of a table.

    Raises:
        InputError: the table has too few rows, or vectors of a width that Lance cannot index; or other processes write
            to it without a pause.
    """
    check_width(dataset)
    rows = dataset.count_rows()
    if rows < MIN_ROWS:
        raise InputError(
            f"a vector index needs at least {MIN_ROWS:,} rows, and there are {rows:,}; search does without"
        )
    start = time.perf_counter()
    if not commit(
        dataset,
        lambda: dataset.create_index(VECTOR, "IVF_RQ", metric="cosine", replace=True),
        tries=COMMIT_TRIES,
    ):
        raise InputError("other processes write to the table; build the vector index again when they have ended")
    dataset.checkout_latest()
    return measure_recall(dataset, seconds=time.perf_counter() - start)


def check_width(dataset: LanceDataset) -> None:
    """Check that the vectors of a table can have an index.

    Raises:
        InputError: they are of a width that Lance cannot index.
    """
    width = dataset.schema.field(VECTOR).type.list_size
    if width % RQ_WIDTH:
        raise InputError(
            f"a vector index needs vectors whose width is a multiple of {RQ_WIDTH}, and these have {width}; index the "
            "recordings again with another model, or search without"
        )


def refresh_vector_index(dataset: LanceDataset) -> None:
    """Add rows to the vector index that are newer than it; without this, a search compares them one by one.

    Where other processes write without a pause, this is left to the next call.
    """
    if has_vector_index(dataset):
        commit(dataset, lambda: dataset.optimize.optimize_indices(), tries=COMMIT_TRIES)


def measure_recall(dataset: LanceDataset, *, seconds: float = 0.0) -> VectorIndexReport:
    """Compare searches by the vector index with exact ones, for rows that are drawn at random.

    A row counts as found if its score is among the best ten, so that copies of a row do not count as missed.

    Args:
        dataset: a table with a vector index.
        seconds: time that it took to build, for the report.
    """
    rows = dataset.count_rows()
    chosen = np.random.default_rng(0).choice(rows, min(QUERIES, rows), replace=False)
    queries = vectors_of(dataset.take(sorted(chosen.tolist()), columns=[VECTOR]).column(VECTOR))
    best = _exact_scores(dataset, queries, NEIGHBOURS + 1)
    found, times, exact_times = 0, [], []
    for query in queries[:EXACT_QUERIES]:
        start = time.perf_counter()
        search_rows(dataset, query, top_k=NEIGHBOURS, exact=True)
        exact_times.append(time.perf_counter() - start)
    for query, scores in zip(queries, best, strict=True):
        start = time.perf_counter()
        rows_found = nearest_rows(dataset, query, NEIGHBOURS + 1, columns=[VECTOR])
        times.append(time.perf_counter() - start)
        own = np.sort(vectors_of(rows_found.column(VECTOR)) @ query)[::-1][1:]  # without the row itself
        found += int((own >= scores[-1] - SAME_SCORE).sum())
    recall = found / (len(queries) * min(NEIGHBOURS, rows - 1))
    milliseconds, exact_milliseconds = (1000 * float(np.median(each)) for each in (times, exact_times))
    return VectorIndexReport(rows, queries.shape[1], seconds, recall, milliseconds, exact_milliseconds)


def _exact_scores(dataset: LanceDataset, queries: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the highest scores (Q, K) of queries (Q, D) among all rows, in descending order."""
    best: NDArray[Any] = np.full((len(queries), count), -np.inf, np.float32)
    for batch in dataset.scanner(columns=[VECTOR], batch_size=SCAN_ROWS).to_batches():
        scores = np.concatenate([best, queries @ vectors_of(batch.column(VECTOR)).T], axis=1)
        best = -np.partition(-scores, count - 1, axis=1)[:, :count]
    return -np.sort(-best, axis=1)
