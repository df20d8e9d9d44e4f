"""Samples of a live connection: nothing is lost or reordered, what waits is bounded, and the newest window wins."""

import asyncio
import math

import numpy as np
import pytest

from photism.audio.waveform import load_waveform
from photism.server.endpoints.live_samples import BLOCK_SAMPLES, NewestWindow, SampleQueue, SampleReader
from photism.server.problems import Problem


class Sink:
    """A sink that keeps everything."""

    def __init__(self):
        self.blocks, self.ended = [], False

    def put(self, samples):
        self.blocks.append(samples)

    def end(self):
        self.ended = True


def ramp(start, stop):
    return np.arange(start, stop, dtype=np.float32)


@pytest.mark.parametrize("rate", [16_000, 48_000, 8_000])
def test_messages_of_any_length_make_the_waveform_of_a_file(rate):
    samples = (np.random.default_rng(0).standard_normal(rate // 2) * 3000).astype("<i2")
    sink = Sink()
    reader = SampleReader(sink, rate)
    data, position = samples.tobytes(), 0
    for size in np.random.default_rng(1).integers(0, 4000, 1000) * 2:
        asyncio.run(reader.read(data[position : position + size]))
        position += size
    reader.end()
    assert position >= len(data)
    assert sink.ended
    expected = load_waveform(samples, sampling_rate=rate).samples
    np.testing.assert_allclose(np.concatenate(sink.blocks), expected, atol=1e-6)


def test_others_are_served_between_the_parts_of_a_long_message():
    samples = (np.random.default_rng(0).standard_normal(2**16) * 3000).astype("<i2")

    class CountingSink(Sink):
        """A sink that notes how often others were served before each block."""

        def put(self, block):
            super().put(block)
            turns.append(served)

    async def serve():
        nonlocal served
        while True:
            served += 1
            await asyncio.sleep(0)

    async def read():
        others = asyncio.ensure_future(serve())
        await reader.read(samples.tobytes())
        others.cancel()
        reader.end()

    turns, served, sink = [], 0, CountingSink()
    reader = SampleReader(sink, 1000)
    asyncio.run(read())
    assert max(map(len, sink.blocks)) < 1.1 * BLOCK_SAMPLES  # the resampler returns more at times
    assert turns[:4] == [0, 1, 2, 3]
    assert reader.duration_s == pytest.approx(2**16 / 1000)
    expected = load_waveform(samples, sampling_rate=1000).samples
    np.testing.assert_allclose(np.concatenate(sink.blocks), expected, atol=1e-6)


def test_half_a_sample_is_a_problem():
    with pytest.raises(Problem, match="even number of bytes; got 3") as error_info:
        asyncio.run(SampleReader(Sink(), 16_000).read(b"abc"))
    assert error_info.value.status == 422


def test_a_queue_returns_samples_in_order_and_at_the_end_the_rest():
    async def taken():
        queue = SampleQueue(100)
        first = asyncio.ensure_future(queue.take(30))
        await asyncio.sleep(0)
        queue.put(ramp(0, 20))
        await asyncio.sleep(0)
        assert not first.done()
        queue.put(ramp(20, 70))
        assert (await first).tolist() == list(range(30))
        queue.end()
        return [(await queue.take(25)).tolist() for _ in range(3)]

    assert asyncio.run(taken()) == [list(range(30, 55)), list(range(55, 70)), []]


def test_a_queue_refuses_what_exceeds_it_and_keeps_the_rest():
    async def fill():
        queue = SampleQueue(32_000)
        queue.put(ramp(0, 32_000))
        with pytest.raises(Problem, match=r"More than 2 s of samples wait for the model\.") as error_info:
            queue.put(ramp(0, 1))
        assert (error_info.value.status, error_info.value.name) == (429, "too-far-ahead")
        assert len(await queue.take(32_000)) == 32_000
        queue.put(ramp(0, 1))
        for _ in range(1000):
            queue.put(ramp(0, 0))
        assert len(queue._blocks) <= 2  # messages without samples take no memory

    asyncio.run(fill())


def windows_of(blocks, *, length, hop):
    """Return the windows of a recording that arrives in blocks, one of which is asked for after each block."""

    async def collect():
        newest, found = NewestWindow(length=length, hop=hop), []
        for block in blocks:
            newest.put(block)
            try:
                found.append(await asyncio.wait_for(newest.next(), 0.01))
            except asyncio.TimeoutError:
                found.append(None)
        newest.end()
        return [*found, await newest.next(), await newest.next()]

    return asyncio.run(collect())


def test_windows_end_with_the_newest_sample():
    first, second, third, last, none = windows_of(
        [ramp(0, 800), ramp(800, 1000), ramp(1000, 2500)], length=1600, hop=800
    )
    assert (first.samples[0], first.samples[-1], first.skipped) == (0, 799, 0)
    assert second is None  # no hop of new samples yet
    assert (third.samples[0], third.samples[-1], third.skipped) == (900, 2499, 1)
    assert (third.start_s, third.end_s) == (900 / 16_000, 2500 / 16_000)
    assert last is none is None


def test_the_last_window_has_the_samples_that_are_left():
    windows = windows_of([ramp(0, 800), ramp(800, 900)], length=1600, hop=800)
    assert [each and len(each.samples) for each in windows] == [800, None, 900, None]
    assert windows_of([ramp(0, 399)], length=1600, hop=800) == [None, None, None]  # shorter than a frame


def test_a_window_that_is_put_back_comes_again_or_a_newer_one():
    async def collect():
        newest = NewestWindow(length=1600, hop=800)
        newest.put(ramp(0, 800))
        found = [await newest.next()]
        newest.put_back()
        found.append(await newest.next())
        newest.put_back()
        newest.put(ramp(800, 2400))
        found.append(await newest.next())
        newest.end()
        newest.put_back()
        return [(each.samples[0], each.samples[-1], each.skipped) for each in (*found, await newest.next())]

    assert asyncio.run(collect()) == [(0, 799, 0), (0, 799, 0), (800, 2399, 2), (800, 2399, 2)]


def test_old_samples_take_no_memory():
    newest = NewestWindow(length=1600, hop=800)
    for number in range(1000):
        newest.put(ramp(100 * number, 100 * number + 100))
        newest.put(ramp(0, 0))
    assert len(newest._blocks) == math.ceil(1600 / 100)
    newest.put(ramp(0, 1_000_000))
    assert sum(map(len, newest._blocks)) == 1600
