"""Ids of rows, and the recordings that an output has."""

import pytest

from photism.jobs.done_rows import DoneRows, RowId, parse_id, window_ids

PLACE, OTHER = "0123456789abcdef", "fedcba9876543210"
OLD, NEW = "00000001", "ffffffff"


@pytest.fixture
def done():
    rows = DoneRows()
    rows.add(PLACE + OLD)
    rows.add(OTHER + OLD)
    rows.sort()
    return rows


def test_ids_have_a_run_a_key_and_a_window():
    row_id = f"12345678-{PLACE}{OLD}"
    assert parse_id(row_id) == RowId("12345678", PLACE + OLD, 1, 1)
    assert window_ids(row_id, 2) == [f"{row_id}-1of2", f"{row_id}-2of2"]
    assert parse_id(f"{row_id}-2of12") == RowId("12345678", PLACE + OLD, 2, 12)


@pytest.mark.parametrize(
    "text", [None, 3, "", "12345678", f"12345678-{PLACE}", f"12345678-{PLACE}{OLD}-", f"x-{PLACE}{OLD}"]
)
def test_other_texts_are_no_ids(text):
    assert parse_id(text) is None


def test_a_recording_is_done_in_one_version(done):
    assert PLACE + OLD in done
    assert PLACE + NEW not in done
    assert done.has_other_version(PLACE + NEW)
    assert not done.has_other_version(PLACE + OLD)
    assert not done.has_superseded
    done.add(PLACE + NEW)
    assert done.has_superseded
    done.sort()
    assert PLACE + NEW in done
    assert PLACE + OLD not in done
    assert len(done) == 2


def test_the_last_version_counts_where_two_were_read():
    rows = DoneRows()
    for version in (NEW, OLD):
        rows.add(PLACE + version)
    rows.sort()
    assert rows.has_superseded
    assert PLACE + OLD in rows


def test_a_recording_is_discarded_in_all_versions(done):
    done.discard(PLACE + NEW)
    done.discard(f"{0:024x}")
    done.sort()
    assert done.has_superseded
    assert not done.has_place(PLACE + OLD)
    assert OTHER + OLD in done


def test_nothing_is_done_at_first():
    rows = DoneRows()
    rows.sort()
    assert PLACE + OLD not in rows
    rows.discard(PLACE + OLD)
    assert not rows.has_superseded


def test_lookups_agree_with_a_set():
    keys = [f"{number * 7919 % 10007:016x}{number % 3:08x}" for number in range(1000)]
    rows = DoneRows()
    for key in keys[::2]:
        rows.add(key)
    rows.sort()
    assert [key for key in keys if key in rows] == keys[::2]
