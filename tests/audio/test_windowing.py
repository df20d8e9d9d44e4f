"""Invariants of overlapping windows, over every small recording and around the boundary values."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from photism.audio.windowing import (
    Window,
    count_samples,
    crossfade,
    crossfade_weights,
    cut_circular_windows,
    cut_windows,
    kept_ranges,
    positions,
    stream_slices,
    stream_windows,
)

SIZES = [(1, 1), (2, 1), (7, 7), (7, 6), (7, 4), (7, 3), (7, 1)]  # length and hop
TOTALS = range(1, 40)


@pytest.mark.parametrize("placement", ["even", "shifted", "short"])
@pytest.mark.parametrize(("length", "hop"), SIZES)
def test_windows_cover_the_recording_and_have_the_same_length(length, hop, placement):
    for total in TOTALS:
        windows = cut_windows(total, length=length, hop=hop, placement=placement)
        assert windows[0].start == 0
        assert windows[-1].stop == total
        assert all(1 <= right.start - left.start <= hop for left, right in pairwise(windows))
        sizes = {window.stop - window.start for window in windows[: -1 if placement == "short" else None]}
        assert sizes <= {min(length, total)}
        assert 0 < windows[-1].stop - windows[-1].start <= length


@pytest.mark.parametrize("placement", ["even", "shifted", "short"])
def test_a_recording_no_longer_than_a_window_is_one_window(placement):
    for total in (0, 1, 9, 10):
        assert cut_windows(total, length=10, hop=3, placement=placement) == [(0, total)]
    assert len(cut_windows(11, length=10, hop=3, placement=placement)) == 2


@pytest.mark.parametrize(
    ("total", "placement", "windows"),
    [
        (12, "even", [(0, 4), (3, 7), (5, 9), (8, 12)]),
        (12, "shifted", [(0, 4), (3, 7), (6, 10), (8, 12)]),
        (12, "short", [(0, 4), (3, 7), (6, 10), (9, 12)]),
        # The last window ends with the recording by itself: 4 + 2 * 3.
        (10, "even", [(0, 4), (3, 7), (6, 10)]),
        (10, "shifted", [(0, 4), (3, 7), (6, 10)]),
        (10, "short", [(0, 4), (3, 7), (6, 10)]),
    ],
)
def test_each_placement_by_hand(total, placement, windows):
    assert cut_windows(total, length=4, hop=3, placement=placement) == windows


@pytest.mark.parametrize("hop", [-1, 0, 11])
def test_a_hop_must_be_from_1_to_the_length(hop):
    message = f"hop must be from 1 to the window's length of 10; got {hop}"
    for cut in (cut_windows, cut_circular_windows):
        with pytest.raises(ValueError, match=message):
            cut(20, length=10, hop=hop)
    with pytest.raises(ValueError, match=message):
        next(stream_windows([], length=10, hop=hop))


@pytest.mark.parametrize(("length", "hop"), SIZES)
def test_circular_windows_cover_the_loop(length, hop):
    for total in range(max(2, length), 40):
        windows = cut_circular_windows(total, length=length, hop=hop)
        assert len(windows) >= 2
        assert {window.stop - window.start for window in windows} == {length}
        gaps = np.diff([*(window.start for window in windows), windows[0].start + total])
        assert gaps.max() <= hop
        assert positions(windows, total).unique().tolist() == list(range(total))


def test_circular_windows_by_hand():
    assert cut_circular_windows(10, length=8, hop=6) == [(0, 8), (5, 13)]
    assert positions([Window(0, 8), Window(5, 13)], 10)[1].tolist() == [5, 6, 7, 8, 9, 0, 1, 2]


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize(("length", "hop"), SIZES)
def test_windows_of_a_stream_are_those_of_the_whole(length, hop, block):
    for total in TOTALS:
        samples = np.arange(total, dtype=np.float32)
        streamed = list(stream_windows(np.split(samples, range(block, total, block)), length=length, hop=hop))
        assert [window for window, _ in streamed] == cut_windows(total, length=length, hop=hop)
        for window, part in streamed:
            np.testing.assert_array_equal(part, samples[window.start : window.stop])


def test_a_duration_longer_than_any_recording_has_a_number_of_samples():
    assert (count_samples(0.1), count_samples(1e-9)) == (1600, 1)
    assert count_samples(1e308) == count_samples(1e9) == 16 * 10**12


def test_a_stream_without_samples_is_one_empty_window():
    ((window, samples),) = stream_windows([], length=4, hop=2)
    assert window == (0, 0)
    assert len(samples) == 0


def test_kept_ranges_meet_in_the_middle_of_each_overlap():
    assert kept_ranges([Window(0, 9)]) == [(0, 9)]
    assert kept_ranges([Window(0, 4), Window(3, 7), Window(5, 9)]) == [(0, 3.5), (3.5, 6), (6, 9)]
    assert kept_ranges([Window(0, 4), Window(4, 8)]) == [(0, 4), (4, 8)]


@pytest.mark.parametrize("fade", [1, 2, 3])
def test_crossfade_weights_add_up_to_one(fade):
    for total in range(8, 40):
        for windows in (
            cut_windows(total, length=8, hop=5, placement="even"),
            cut_windows(total, length=8, hop=5),
            cut_circular_windows(total, length=8, hop=4),
        ):
            where, weights = positions(windows, total), crossfade_weights(windows, total, fade=fade)
            added_up = torch.zeros(total).index_add_(0, where.flatten(), weights.flatten())
            torch.testing.assert_close(added_up, torch.ones(total))
            assert (weights > 0).all()


def test_crossfade_weights_by_hand():
    weights = crossfade_weights([Window(0, 4), Window(2, 6)], 6, fade=2)
    expected = torch.tensor([[1, 1, 0.75, 0.25], [0.25, 0.75, 1, 1]])
    torch.testing.assert_close(weights, expected)


def join(parts, windows):
    """Join windows (B, L, D) one after the other, as a recording that is encoded in windows."""
    joined = [parts[0]]
    for part, window in zip(parts[1:], windows[1:], strict=True):
        whole = torch.cat(joined, dim=1)
        crossfade(whole[:, window.start :], part)
        joined = [whole[:, : window.start], part]
    return torch.cat(joined, dim=1)


def test_windows_joined_one_after_the_other_fade_linearly():
    parts = [torch.full((1, 4, 1), float(value)) for value in range(2)] + [torch.full((1, 3, 1), 4.0)]
    joined = join(parts[:2], [Window(0, 4), Window(3, 7)])
    torch.testing.assert_close(joined.flatten(), torch.tensor([0, 0, 0, 1 / 2, 1, 1, 1]))
    joined = join([joined, parts[2]], [Window(0, 7), Window(4, 7)])
    torch.testing.assert_close(joined.flatten(), torch.tensor([0, 0, 0, 1 / 2, 7 / 4, 10 / 4, 13 / 4]))


@pytest.mark.parametrize("placement", ["even", "shifted", "short"])
def test_parts_of_a_recording_join_to_the_recording(placement):
    recording = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))
    for length, hop in SIZES:
        windows = cut_windows(30, length=length, hop=hop, placement=placement)
        parts = [recording[:, start:stop].clone() for start, stop in windows]
        torch.testing.assert_close(join(parts, windows), recording)


@pytest.mark.parametrize("block", [1, 4, 7, 100])
def test_slices_of_a_stream_are_those_of_the_recording(block):
    recording = torch.arange(60).reshape(30, 2)
    gaps = [Window(0, 3), Window(9, 12), Window(11, 25), Window(26, 26), Window(29, 33)]
    for windows in (gaps, *(cut_windows(30, length=length, hop=hop) for length, hop in SIZES)):
        slices = list(stream_slices(recording.split(block), windows))
        assert len(slices) == len(windows)
        for (start, stop), found in zip(windows, slices, strict=True):
            assert torch.equal(found, recording[start:stop])
