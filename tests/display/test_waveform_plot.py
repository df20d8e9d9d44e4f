import re

import numpy as np
import pytest

from photism.display.waveform_plot import COLUMNS, HEIGHT, waveform_svg


def points(svg: str) -> np.ndarray:
    path = re.findall(r'd="M([^"]*L[^"]*)Z"', svg)[0]
    return np.array([[float(number) for number in pair.split()] for pair in path.split("L")])


@pytest.mark.parametrize("length", [1, 10, 400, 160_000])
def test_a_waveform_fills_its_box(length: int) -> None:
    samples = np.sin(np.arange(length) / 3 + 1)
    drawn = points(waveform_svg(samples, "a"))
    assert len(drawn) == 2 * min(length, COLUMNS)
    assert drawn[:, 0].min() == 0
    assert drawn[:, 0].max() < COLUMNS
    assert (drawn[:, 1] >= 0).all()
    assert (drawn[:, 1] <= HEIGHT).all()


def test_the_largest_sample_reaches_the_top() -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8_000] = 0.01
    drawn = points(waveform_svg(samples, "a"))
    assert drawn[drawn[:, 1].argmin()].tolist() == [COLUMNS / 2, 1]


def test_silence_is_a_line() -> None:
    drawn = points(waveform_svg(np.full(16_000, 1e-6), "a"))
    assert np.ptp(drawn[:, 1]) < 0.1
