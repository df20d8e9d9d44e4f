import numpy as np
import pytest
from lance import LanceDataset
from lance.dataset import DatasetOptimizer

from photism import InputError
from photism.collection import search
from photism.collection.search import search_rows
from photism.collection.vector_index import build_vector_index, measure_recall, refresh_vector_index
from tests.collection.conftest import unit_vectors, write_table
from tests.support.collections import before_next_call


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    vectors = unit_vectors(5000, 16)
    table = write_table(tmp_path_factory.mktemp("indexed") / "sounds.lance", vectors)
    return table, vectors, build_vector_index(table)


def locations(hits):
    return [hit.location for hit in hits]


def test_recall_is_measured_after_building(indexed):
    _, _, report = indexed

    assert report.rows == 5000
    assert report.recall >= 0.99
    assert f"recall@10 {report.recall:.3f}" in str(report)
    assert str(report).endswith("; it is used from 3,125,000 rows on, of fewer all are compared")


def test_the_time_of_an_exact_search_is_that_of_a_single_query(indexed, monkeypatch):
    table, *_ = indexed
    times = iter([0, 1, 2, 4, 6, 10, 20, 30, 40, 41, *np.arange(100, 300, 0.5)])  # of searches: 1, 2, 4, 10 and 1 s
    monkeypatch.setattr("photism.collection.vector_index.time.perf_counter", lambda: next(times))

    report = measure_recall(table)

    assert (report.milliseconds, report.exact_milliseconds) == (500, 2000)


def test_recall_counts_what_is_not_found(indexed, monkeypatch):
    table, *_ = indexed
    nearest = search.nearest_rows
    # Half of the eleven nearest rows, the query itself among them.
    monkeypatch.setattr(
        "photism.collection.vector_index.nearest_rows", lambda *args, **kwargs: nearest(*args, **kwargs).slice(0, 6)
    )

    assert measure_recall(table).recall == pytest.approx(0.5)


def test_the_vector_index_is_used_where_it_pays_and_finds_the_same(indexed, monkeypatch):
    table, vectors, _ = indexed
    used = []
    nearest = search.nearest_rows
    monkeypatch.setattr(search, "nearest_rows", lambda *args, **kwargs: used.append(1) or nearest(*args, **kwargs))
    exact = search_rows(table, vectors[7], exact=True)
    assert locations(search_rows(table, vectors[7])) == locations(exact)
    assert not used  # 5,000 rows are few

    monkeypatch.setattr(search, "INDEX_VALUES", 1)
    assert locations(search_rows(table, vectors[7])) == locations(exact)
    assert used
    used.clear()
    search_rows(table, vectors[7], exact=True)
    assert not used


def test_a_condition_applies_before_a_search_by_the_vector_index(indexed, monkeypatch):
    table, vectors, _ = indexed
    monkeypatch.setattr(search, "INDEX_VALUES", 1)

    hits = search_rows(table, vectors[4000], where="duration_s < 30", top_k=40)

    scores = vectors[:30] @ vectors[4000]
    assert locations(hits) == [f"/sounds/{index}.wav" for index in np.argsort(-scores)]


def test_rows_that_are_newer_than_the_vector_index_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "INDEX_VALUES", 1)
    table = write_table(tmp_path / "sounds.lance", unit_vectors(4200, 16))
    build_vector_index(table)
    new = unit_vectors(5, 16, seed=9)
    more = write_table(tmp_path / "more.lance", new, location=[f"/new/{i}.wav" for i in range(5)])
    table.insert(more.to_table())

    def found():
        return [search_rows(table, vector, top_k=1)[0].location for vector in new]

    assert found() == [f"/new/{i}.wav" for i in range(5)]
    refresh_vector_index(table)
    assert table.stats.index_stats("vector_idx")["num_unindexed_rows"] == 0
    assert found() == [f"/new/{i}.wav" for i in range(5)]
    table.delete("location = '/new/3.wav'")
    assert search_rows(table, new[3], top_k=1)[0].location != "/new/3.wav"


def test_another_process_may_write_to_the_vector_index_at_the_same_time(tmp_path, monkeypatch):
    table = write_table(tmp_path / "sounds.lance", unit_vectors(4200, 16))
    other = LanceDataset(table.uri)
    before_next_call(monkeypatch, LanceDataset, "create_index", lambda: build_vector_index(other))
    assert build_vector_index(table).rows == 4200

    table.insert(write_table(tmp_path / "more.lance", unit_vectors(5, 16)).to_table())
    other.checkout_latest()
    before_next_call(monkeypatch, DatasetOptimizer, "optimize_indices", lambda: refresh_vector_index(other))
    refresh_vector_index(table)
    assert table.stats.index_stats("vector_idx")["num_unindexed_rows"] == 0


def test_a_table_that_others_write_to_without_a_pause_has_no_vector_index(tmp_path, monkeypatch):
    table = write_table(tmp_path / "sounds.lance", unit_vectors(4200, 16))

    def conflict(*_, **__):
        raise OSError("Retryable commit conflict for version 2")

    monkeypatch.setattr(LanceDataset, "create_index", conflict)
    with pytest.raises(InputError, match="other processes write to the table"):
        build_vector_index(table)


def test_a_width_that_lance_cannot_index_is_refused(tmp_path):
    table = write_table(tmp_path / "sounds.lance", unit_vectors(10, 12))
    with pytest.raises(InputError, match="a multiple of 8, and these have 12"):
        build_vector_index(table)


def test_too_few_rows_need_no_vector_index(random_table):
    with pytest.raises(InputError, match="at least 4,096 rows, and there are 3,000"):
        build_vector_index(random_table[0])
