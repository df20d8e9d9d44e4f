"""Measure a search of an index at several sizes: all rows compared, and by the vector index, with its recall.

The vectors are random ones of unit length, the worst case of any index since no partition is nearer than the others, or
with --clustered of 1,000 clusters, as recordings of 1,000 things are. A query is a row with as much noise as the
distance between two rows of a cluster. Recall is that of the ten nearest rows against a comparison of all in NumPy.
Each query is timed in Python, from a query vector to ten rows with their columns.

    python -m benchmarks.vector_search --rows 10000 100000 --width 256
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.report import Report, add_output_option
from photism.collection.search import nearest_rows, scan_scores, search_rows, vectors_of
from photism.lance_table import import_lance

BLOCK = 20_000
SPREAD = 0.5
"""Norm of the noise in a cluster, and of that in a query, relative to its centre."""
TUNINGS = ((1, 1), (20, 1), (20, 10), (64, 1), (64, 4), (64, 10), (128, 10), (256, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--width", type=int, nargs="+", default=[256])
    parser.add_argument("--clustered", action="store_true", help="vectors of 1,000 clusters instead of random ones")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None, help="folder of the tables (default: temporary)")
    add_output_option(parser)
    options = parser.parse_args()
    report = Report(f"Search among {'clustered' if options.clustered else 'random'} vectors", options)
    for width in options.width:
        for rows in options.rows:
            folder = Path(tempfile.mkdtemp(dir=options.folder))
            try:
                measure(report, folder / "sounds.lance", rows, width, options)
            finally:
                shutil.rmtree(folder)
    report.print()
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def measure(report: Report, path: Path, rows: int, width: int, options: argparse.Namespace) -> None:
    dataset = import_lance().write_dataset(table_reader(rows, width, options.clustered), str(path))
    generator = np.random.default_rng(1)
    chosen = sorted(generator.choice(rows, options.queries, replace=False).tolist())
    queries = vectors_of(dataset.take(chosen, columns=["vector"]).column("vector"))
    queries = unit(queries + SPREAD / width**0.5 * generator.standard_normal(queries.shape).astype(np.float32))
    truth = [best_locations(dataset, query) for query in queries]

    def add(name: str, built_s: float | None, find: Callable[[np.ndarray], set[str]]) -> None:
        times, found = [], 0
        for query, best in zip(queries, truth, strict=True):
            start = time.perf_counter()
            locations = find(query)
            times.append(1000 * (time.perf_counter() - start))
            found += len(locations & best)
        p50, p95 = np.percentile(times, [50, 95])
        recall = found / sum(map(len, truth))
        values = {"p50 ms": float(p50), "p95 ms": float(p95), "built in s": built_s, "recall@10": recall}
        report.add(f"{rows:,} rows of width {width}", name, **values)

    add("all rows", None, lambda query: {hit.location for hit in search_rows(dataset, query, exact=True)})
    start = time.perf_counter()
    dataset.create_index("vector", "IVF_RQ", metric="cosine")
    built_s = time.perf_counter() - start
    for nprobes, refine in TUNINGS:
        name = f"IVF_RQ, nprobes {nprobes}, refine {refine}"
        add(name, built_s, lambda query, n=nprobes, r=refine: indexed_locations(dataset, query, n, r))


def best_locations(dataset, query: np.ndarray) -> set[str]:
    """Return the ten best rows of all, by NumPy in float64."""
    offsets, scores = scan_scores(dataset, query.astype(np.float64), None)
    best = offsets[np.argpartition(-scores, 100)[:100]]
    table = dataset.take(best.tolist(), columns=["location", "vector"])
    exact = vectors_of(table.column("vector")).astype(np.float64) @ query
    return {table.column("location")[int(index)].as_py() for index in np.argsort(-exact)[:10]}


def indexed_locations(dataset, query: np.ndarray, nprobes: int, refine: int) -> set[str]:
    columns = ["location", "start_s", "end_s", "vector"]
    found = nearest_rows(dataset, query, 10, columns=columns, nprobes=nprobes, refine_factor=refine)
    return set(found.column("location").to_pylist())


def table_reader(rows: int, width: int, clustered: bool):
    import pyarrow as pa

    vector = pa.list_(pa.float32(), width)
    schema = pa.schema(
        [("location", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64()), ("vector", vector)]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        generator = np.random.default_rng(0)
        centres = unit(generator.standard_normal((1000, width), dtype=np.float32))
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            vectors = generator.standard_normal((count, width), dtype=np.float32)
            if clustered:
                vectors = centres[generator.integers(len(centres), size=count)] + SPREAD / width**0.5 * vectors
            flat = pa.array(unit(vectors).ravel())
            names = [f"/sounds/{number:07}.wav" for number in range(first, first + count)]
            columns = [pa.array(names), pa.array(np.zeros(count)), pa.nulls(count, pa.float64())]
            yield pa.record_batch([*columns, pa.FixedSizeListArray.from_arrays(flat, width)], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
