"""Reading and drawing in two threads: late pictures are dropped, and errors and the end arrive."""

from dataclasses import dataclass
from threading import Event

import numpy as np
import pytest

from photism import InputError
from photism.drawing.live.live_runner import LiveRunner
from photism.drawing.live.settings import LiveSettings

RATE = 16_000


@dataclass
class Picture:
    time_s: float


class Drawing:
    """A drawing whose pictures are only times."""

    settings = LiveSettings(fps=10)

    def __init__(self):
        self.duration_s = 0.0

    def feed(self, samples):
        self.duration_s += len(samples) / RATE

    def follow(self, time_s):
        self.followed_s = time_s

    def picture(self, time_s):
        return Picture(time_s)


def second(*, blocks=10):
    for _ in range(blocks):
        yield np.zeros(RATE // blocks, np.float32)


def finish(runner):
    runner.start()
    runner._drawer.join(10)
    assert not runner.is_running
    runner.stop()


def test_late_pictures_are_dropped_and_the_last_one_is_drawn():
    times, samples, drawing, fed = [], [], Drawing(), Event()

    def blocks():
        yield from second()
        fed.set()

    def show(picture):
        fed.wait(10)  # the first picture takes as long as all samples
        times.append(picture.time_s)

    finish(LiveRunner(drawing, blocks(), show, samples.append))
    assert len(times) <= 3
    assert times[-1] == pytest.approx(1.0)
    assert sum(map(len, samples)) == RATE


def test_an_error_of_the_source_is_raised_at_the_stop():
    def blocks():
        yield from second()
        raise InputError("the microphone is gone")

    runner = LiveRunner(Drawing(), blocks(), lambda picture: None)
    with pytest.raises(InputError, match="the microphone is gone"):
        finish(runner)


def test_a_stop_closes_the_source():
    closed = Event()

    def endless():
        try:
            while True:
                yield np.zeros(160, np.float32)
        finally:
            closed.set()

    runner = LiveRunner(Drawing(), endless(), lambda picture: None)
    runner.start()
    runner.stop()
    assert closed.wait(10)


def test_a_frozen_drawing_follows_its_source_to_the_end():
    times, drawing = [], Drawing()
    runner = LiveRunner(drawing, second(), lambda picture: times.append(picture.time_s))
    runner.toggle_freeze()
    finish(runner)
    assert times == []
    assert drawing.followed_s == pytest.approx(1.0)
