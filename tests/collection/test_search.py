import shutil

import numpy as np
import pytest

from photism import InputError
from photism.collection import search
from photism.collection.search import search_rows
from tests.collection.conftest import unit_vectors, write_table

QUERY = unit_vectors(1, 32, seed=1)[0]


def brute_force(vectors, query, allowed=None):
    """Return all rows in order of their scores, ties in order of their location, and the scores."""
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    locations = [f"/sounds/{index}.wav" for index in range(len(vectors))]
    rows = [index for index in range(len(vectors)) if allowed is None or allowed(index)]
    return sorted(rows, key=lambda index: (-round(scores[index], 12), locations[index])), scores


@pytest.mark.parametrize("top_k", [1, 7, 100, 3000, 5000])
def test_flat_search_equals_brute_force_with_ties_in_order_of_location(random_table, top_k):
    table, vectors = random_table
    order, scores = brute_force(vectors, QUERY)

    hits = search_rows(table, QUERY, top_k=top_k)

    assert [hit.location for hit in hits] == [f"/sounds/{index}.wav" for index in order[:top_k]]
    np.testing.assert_allclose([hit.score for hit in hits], scores[order[:top_k]], atol=1e-6, rtol=0)


def test_a_condition_applies_before_the_search(random_table):
    table, vectors = random_table
    order, _ = brute_force(vectors, QUERY, lambda index: index < 5)

    hits = search_rows(table, QUERY, where="duration_s < 5", top_k=10)

    assert [hit.location for hit in hits] == [f"/sounds/{index}.wav" for index in order]


@pytest.mark.parametrize("end", [" -- of a word", " /* or */", " OR location LIKE 'x%' AND duration_s > 9"])
def test_a_condition_ends_where_sql_ends(random_table, end):
    assert len(search_rows(random_table[0], QUERY, where=f"duration_s < 5{end}", top_k=10)) == 5


def test_no_row_satisfies_the_condition(random_table):
    assert search_rows(random_table[0], QUERY, where="duration_s < 0") == []


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("durtion_s < 5", "No field named durtion_s"),
        ("duration_s <", "Expected: an expression"),
        ("duration_s = 'long'", "could not convert"),
        ("1", "does not return a boolean"),
        ("", ""),
        ("cast(location as int) > 1", "Cannot cast"),
        ("'", ""),
        ("location.name = 'a'", "Cannot access field"),
        ("location LIKE '!%' ESCAPE '!'", "LIKE does not support escape_char"),
        ("count(*) > 1", "does not support logical expression AggregateFunction"),
        ("duration_s < 5 ADN known", "something follows the condition"),
        ("duration_s < 5)", "something follows the condition"),
        ("duration_s < 5) OR (known", "something follows the condition"),
    ],
)
def test_a_condition_that_cannot_be_used_is_one_line_with_the_columns(random_table, where, words):
    with pytest.raises(InputError) as raised:
        search_rows(random_table[0], QUERY, where=where)

    message = str(raised.value)
    assert message.startswith(f"--where {where!r} cannot be used")
    assert words in message
    assert "duration_s (double)" in message
    assert "\n" not in message
    assert ".rs:" not in message


def test_rows_are_found_after_others_were_deleted_and_added(tmp_path):
    vectors = unit_vectors(60, 32)
    table = write_table(tmp_path / "sounds.lance", vectors)
    table.delete("duration_s < 20")
    more = write_table(tmp_path / "more.lance", unit_vectors(20, 32, seed=2), location=[f"/new/{i}" for i in range(20)])
    table.insert(more.to_table())

    hits = search_rows(table, vectors[30], top_k=60)

    assert hits[0].location == "/sounds/30.wav"
    assert hits[0].score == pytest.approx(1, abs=1e-6)
    assert sorted(hit.location for hit in hits) == sorted(
        [*(f"/sounds/{i}.wav" for i in range(20, 60)), *(f"/new/{i}" for i in range(20))]
    )
    by_location = {hit.location: hit.score for hit in hits}
    for index, vector in enumerate(unit_vectors(20, 32, seed=2)):
        assert by_location[f"/new/{index}"] == pytest.approx(float(vector @ vectors[30]), abs=1e-6)


@pytest.fixture(scope="module")
def windowed_table(tmp_path_factory):
    """Three recordings of ten windows of two seconds every second; the windows of the first are the nearest ones."""
    target = unit_vectors(1, 32, seed=3)[0]
    vectors = unit_vectors(30, 32, seed=4) * 0.1
    vectors += np.repeat([0.9, 0.8, 0.7], 10)[:, None] * target
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    starts = [float(index % 10) for index in range(30)]
    table = write_table(
        tmp_path_factory.mktemp("windows") / "sounds.lance",
        vectors,
        location=[f"/sounds/{index // 10}.wav" for index in range(30)],
        start_s=starts,
        end_s=[start + 2 for start in starts],
    )
    return table, vectors, target


def test_the_best_window_stands_for_a_recording(windowed_table):
    table, vectors, target = windowed_table
    scores = (vectors @ target).reshape(3, 10)

    hits = search_rows(table, target, top_k=3)

    assert {hit.location for hit in hits} == {f"/sounds/{index}.wav" for index in range(3)}
    for hit in hits:
        number = int(hit.location[8])
        assert (hit.start_s, hit.end_s) == (scores[number].argmax(), scores[number].argmax() + 2)
        assert hit.score == pytest.approx(scores[number].max(), abs=1e-6)


def test_all_windows_are_listed_if_asked_for(windowed_table):
    table, vectors, target = windowed_table

    hits = search_rows(table, target, top_k=12, all_windows=True)

    order = np.argsort(-(vectors @ target))[:12]
    assert [(hit.location, hit.start_s) for hit in hits] == [(f"/sounds/{i // 10}.wav", i % 10) for i in order]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.zeros(31), r"shape \(32,\) of the vectors of the index; got \(31,\)"),
        (np.full(32, np.nan), "must be finite"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(random_table, query, message):
    with pytest.raises(InputError, match=message):
        search_rows(random_table[0], query)


def test_top_k_is_at_least_one(random_table):
    with pytest.raises(InputError, match="top_k must be at least 1; got 0"):
        search_rows(random_table[0], QUERY, top_k=0)


def test_rows_have_their_columns_without_the_vector(random_table):
    (hit,) = search_rows(random_table[0], QUERY, top_k=1)

    assert set(hit.row) == {"id", "location", "start_s", "end_s", "duration_s"}
    assert hit.end_s is None
    assert search.VECTOR not in hit.row


def test_a_fault_of_the_machine_is_not_one_of_the_condition(tmp_path):
    table = write_table(tmp_path / "sounds.lance", unit_vectors(10, 32))
    shutil.rmtree(tmp_path / "sounds.lance" / "data")
    with pytest.raises((OSError, ValueError), match="Not found") as raised:
        search_rows(table, QUERY, where="duration_s < 5")
    assert "--where" not in str(raised.value)
