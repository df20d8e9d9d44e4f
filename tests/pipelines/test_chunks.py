"""Lengths of chunks, and the frames of a chunk that are kept."""

import numpy as np
import pytest

from photism import InputError
from photism.audio.waveform import Waveform
from photism.pipelines.chunks import Chunk, ChunkLengths, cut_chunks, kept_frames


def waveform(samples):
    return Waveform(np.zeros(samples, np.float32))


@pytest.mark.parametrize(
    ("arguments", "lengths"),
    [
        ({}, None),
        ({"chunk_length_s": 0, "stride_length_s": 1}, None),
        ({"chunk_length_s": 6}, (96_000, 16_000, 16_000)),
        ({"chunk_length_s": 1.005}, (16_000, 2560, 2560)),  # multiples of 320 samples, the nearest
        ({"chunk_length_s": 1, "stride_length_s": 0.1}, (16_000, 1600, 1600)),
        ({"chunk_length_s": 1, "stride_length_s": [0.2, 0]}, (16_000, 3200, 0)),
    ],
)
def test_lengths_are_multiples_of_a_frame(arguments, lengths):
    assert ChunkLengths.of(arguments, 320) == lengths


@pytest.mark.parametrize("stride", [0.5, (0.9, 0.1), (-0.1, 0.1)])
def test_something_of_a_chunk_must_remain(stride):
    with pytest.raises(InputError, match="stride_length_s for both ends must be less than chunk_length_s=1; got"):
        ChunkLengths.of({"chunk_length_s": 1, "stride_length_s": stride}, 320)


@pytest.mark.parametrize(
    ("samples", "chunks"),
    [
        (3200, [(3200, 0, 0)]),
        (4000, [(4000, 0, 0)]),
        (4001, [(4000, 0, 640), (1281, 640, 0)]),
        (8000, [(4000, 0, 640), (4000, 640, 640), (2560, 640, 0)]),
    ],
)
def test_chunks_overlap_by_their_strides(samples, chunks):
    cut = cut_chunks(7, waveform(samples), ChunkLengths(4000, 640, 640))
    assert [(len(each.waveform.samples), each.left, each.right) for each in cut] == chunks
    assert [each.number for each in cut] == [7] * len(chunks)
    assert [each.is_last for each in cut] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize(("rest", "count"), [(399, 1), (400, 2)])
def test_a_rest_too_short_for_a_frame_is_dropped(rest, count):
    cut = cut_chunks(0, waveform(3200 + rest), ChunkLengths(3200, 0, 0))
    assert len(cut) == count
    assert (cut[-1].right, cut[-1].is_last) == (0, True)


def test_the_frames_of_the_strides_are_dropped():
    assert kept_frames(Chunk(0, waveform(16_000), 3200, 1600, is_last=False), 320) == slice(10, 45)
    assert kept_frames(Chunk(0, waveform(16_000), 0, 0, is_last=True), 320) == slice(None)
