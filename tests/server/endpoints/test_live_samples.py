"""Samples of a live connection: nothing is lost or reordered, what waits is bounded, and the newest win."""

import asyncio

import numpy as np
import pytest

from photism.audio.waveform import load_waveform
from photism.server.endpoints.live_samples import BLOCK_SAMPLES, NewestSamples, SampleQueue, SampleReader
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


def test_the_newest_samples_replace_older_ones():
    newest = NewestSamples(100)
    newest.put(ramp(0, 60))
    newest.put(ramp(60, 60))  # of no length
    newest.put(ramp(60, 150))
    assert newest.newest().tolist() == list(range(50, 150))
    newest.drop(30)
    newest.put(ramp(150, 160))
    samples, total = newest.take()
    assert (samples.tolist(), total) == (list(range(120, 160)), 160)
    assert newest.take()[0].tolist() == []
    newest.put(ramp(0, 1_000_000))
    (block,) = newest._waiting
    assert len(block) == 100 == len(block if block.base is None else block.base)  # the long message is not kept


def test_old_samples_take_no_memory():
    newest = NewestSamples(1600)
    for number in range(1000):
        newest.put(ramp(100 * number, 100 * number + 100))
        newest.put(ramp(0, 0))
    assert len(newest._waiting) == 16


def test_waiting_ends_with_a_number_of_samples_or_with_all_of_them():
    async def wait():
        newest = NewestSamples(10)  # fewer than are waited for: what was dropped counts
        waiting = asyncio.ensure_future(newest.wait(40))
        for stop in (20, 39):
            newest.put(ramp(newest.total, stop))
            await asyncio.sleep(0)
            assert not waiting.done()
        newest.put(ramp(39, 40))
        await waiting
        waiting = asyncio.ensure_future(newest.wait(80))
        await asyncio.sleep(0)
        newest.end()
        await waiting
        return newest.total, newest.has_ended

    assert asyncio.run(wait()) == (40, True)
