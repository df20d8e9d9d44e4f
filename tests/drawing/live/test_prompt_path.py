"""The prompt of a live drawing: what moves it, how it fades, and what is never encoded."""

import numpy as np
import pytest
import torch

from photism.drawing.live.prompt_path import MOST_WAITING, Cut, PromptPath, PromptStep
from photism.prompts.audio_prompt import AudioPrompt

CANNOT_TELL = -99.0


def prompt(value, log_odds=None):
    known = () if log_odds is None else (log_odds,)
    return AudioPrompt(torch.full((1, 2, 3), float(value)), None, (1,), None, (log_odds and log_odds > 0,), known)


class Encoder:
    """Encodes samples whose first two are the value of the prompt and its log-odds."""

    def __init__(self):
        self.count = 0

    def __call__(self, waveform):
        self.count += 1
        value, log_odds = waveform.samples[:2].tolist()
        return prompt(value, None if log_odds == CANNOT_TELL else log_odds)


def cut(value, log_odds=CANNOT_TELL, start_s=0.0):
    samples = np.zeros(400, np.float32)
    samples[:2] = value, log_odds
    return Cut(start_s, samples)


def step(time_s, *cuts, fade_s=0.0, min_log_odds=0.0):
    return PromptStep(time_s, fade_s, min_log_odds, cuts)


@pytest.fixture
def encoder():
    return Encoder()


@pytest.fixture
def path(encoder):
    return PromptPath(encoder, prompt(0))


def value(path, time_s):
    return path.at(time_s)[0].prompt_embeds.unique().item()


def test_without_parts_the_first_prompt_holds(path):
    assert value(path, 1.0) == 0
    assert path.at(2.0)[1] is None


def test_a_known_part_moves_the_prompt_and_holds(path):
    path.append(step(1.0, cut(8, 1), fade_s=0.4))
    assert [value(path, time_s) for time_s in (1.0, 1.1, 1.4, 9.0)] == pytest.approx([0, 2, 8, 8])


def test_a_fade_that_is_not_over_goes_on_below_the_next(path):
    path.append(step(1.0, cut(8, 1), fade_s=0.4))
    assert value(path, 1.2) == pytest.approx(4)
    path.append(step(1.2, cut(16, 1), fade_s=0.4))
    assert value(path, 1.2) == pytest.approx(4)
    assert value(path, 1.3) == pytest.approx(6 * 0.75 + 16 * 0.25)


def test_what_is_not_known_moves_nothing_and_is_reported(path):
    path.append(step(1.0, cut(8, 1)))
    path.append(step(2.0, cut(9, -1)))
    assert value(path, 2.0) == 8
    assert path.newest.known is False
    path.append(step(3.0, cut(9, 3), min_log_odds=5))
    assert value(path, 3.0) == 8


def test_what_is_not_known_moves_the_prompt_on_request(path):
    path.append(step(1.0, cut(8, -1), min_log_odds=None))
    assert value(path, 1.0) == 8
    assert path.newest.known is False


def test_a_model_that_cannot_tell_moves_with_every_part(path, encoder):
    path.append(step(1.0, cut(8), cut(9)))
    assert value(path, 1.0) == 8
    assert path.newest.known is None
    assert encoder.count == 1


def test_the_start_that_is_known_best_is_drawn(path, encoder):
    path.append(step(1.0, cut(8, -1), cut(9, 2, 0.5), cut(10, 1)))
    assert value(path, 1.0) == 9
    assert path.at(1.0)[1].start_s == 0.5
    path.append(step(2.0, cut(8, 6), cut(9, 7)))
    assert value(path, 2.0) == 8  # known for sure: no other start is tried
    assert encoder.count == 4


def test_parts_before_the_newest_known_one_are_not_encoded(path, encoder):
    for number in range(5):
        path.append(step(number, cut(number, 1)))
    assert value(path, 5.0) == 4
    assert encoder.count == 1


def test_few_parts_wait(path, encoder):
    for number in range(3 * MOST_WAITING):
        path.append(step(number, cut(number, -1)))
    assert value(path, 99.0) == 0
    assert encoder.count == MOST_WAITING
