"""Prompts mixed from others: blends, interpolation, a text in place of tokens, and invalid arguments."""

import math

import pytest
import torch

from photism import InputError
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.mixing import blend, interpolate, place, with_strength
from tests.support.prompts import assert_equal, make_prompt


def test_a_blend_is_the_weighted_mean():
    first, second = (AudioPrompt(torch.full((1, 2, 2), value), torch.full((1, 1), -value)) for value in (1.0, 4.0))
    mixed = blend([first, second], [2, 1])
    torch.testing.assert_close(mixed.prompt_embeds, torch.full((1, 2, 2), 2.0))
    torch.testing.assert_close(mixed.pooled_prompt_embeds, torch.full((1, 1), -2.0))
    assert_equal(blend([first, second], [200, 100]), mixed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prompt_with_the_only_weight_above_zero_is_unchanged(dtype):
    first, second = make_prompt(1, dtype=dtype), make_prompt(2, dtype=dtype)
    assert_equal(blend([first, second], (1, 0)), first)
    assert_equal(blend([first, second], (0, 7)), second)
    assert_equal(blend([first], [0.3]), first)


def test_a_single_row_is_blended_with_every_row():
    rows, text = make_prompt(1, rows=3), make_prompt(2)
    mixed = blend([rows, text], [1, 1])
    expected = [blend([AudioPrompt(rows[0][i : i + 1], rows[1][i : i + 1]), text], [1, 1]) for i in range(3)]
    for index, row in enumerate(expected):
        assert_equal(AudioPrompt(mixed[0][index : index + 1], mixed[1][index : index + 1]), row)


def test_mixture_weights_are_kept_only_while_they_describe_the_prompt():
    first, second = (make_prompt(row)._replace(mixture_weights=torch.eye(2)[row : row + 1]) for row in (0, 1))
    text = make_prompt(2)
    torch.testing.assert_close(blend([first, second], [1, 3]).mixture_weights, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(interpolate(first, second, 3).mixture_weights[1], torch.tensor([0.5, 0.5]))
    assert blend([first, text], [1, 1]).mixture_weights is None
    assert interpolate(first, text, 2).mixture_weights is None
    assert place(first, text, 1, 2).mixture_weights is None
    assert with_strength(first, text, 0.5).mixture_weights is None
    assert with_strength(first, text, 1.0).mixture_weights is first.mixture_weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_interpolation_starts_and_ends_with_its_prompts(dtype):
    first, second = make_prompt(1, dtype=dtype), make_prompt(2, dtype=dtype)
    path = interpolate(first, second, 5)
    assert path.prompt_embeds.shape == (5, 5, 4)
    assert path.prompt_embeds.dtype == dtype
    assert_equal(AudioPrompt(path[0][:1], path[1][:1]), first)
    assert_equal(AudioPrompt(path[0][-1:], path[1][-1:]), second)
    assert_equal(AudioPrompt(path[0][1:2], path[1][1:2]), blend([first, second], [3, 1]))
    assert interpolate(make_prompt(1, pooled=0), make_prompt(2, pooled=0), 2).pooled_prompt_embeds is None


def test_a_text_replaces_tokens():
    sounds, text = make_prompt(1, rows=2), make_prompt(2)
    mixed = place(sounds, text, 2, 4)
    torch.testing.assert_close(mixed.prompt_embeds[:, [0, 1, 4]], sounds.prompt_embeds[:, [0, 1, 4]], rtol=0, atol=0)
    torch.testing.assert_close(
        mixed.prompt_embeds[:, 2:4], text.prompt_embeds[:, 1:3].expand(2, -1, -1), rtol=0, atol=0
    )
    torch.testing.assert_close(mixed.pooled_prompt_embeds, (sounds[1] + text[1]) / 2)  # two tokens of four
    assert_equal(sounds, make_prompt(1, rows=2))
    everything = place(sounds, text, 1, 5)
    torch.testing.assert_close(everything.pooled_prompt_embeds, text[1].expand(2, -1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "weights must be one for each recording, 2; got 1"),
        ([0, 0], "weights must be at least 0, finite and not all 0; got 0, 0"),
        ([2, -1], "weights must be at least 0, finite and not all 0; got 2, -1"),
        ([1, math.nan], "not all 0; got 1, nan"),
        ([1, math.inf], "not all 0; got 1, inf"),
    ],
)
def test_invalid_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        blend([make_prompt(1), make_prompt(2)], weights)


@pytest.mark.parametrize(
    "other", [make_prompt(2, length=4), make_prompt(2, width=3), make_prompt(2, pooled=0), make_prompt(2, rows=2)]
)
def test_shapes_that_differ_are_refused(other):
    with pytest.raises(InputError, match=r"prompts must have the same shape \(B, S, D\), .* got .* and \[\(1, 5, 4\)"):
        blend([make_prompt(1), other], [1, 1])
    if len(other.prompt_embeds) == 1:
        with pytest.raises(InputError, match="prompts must have the same shape"):
            place(make_prompt(1), other, 1, 2)


def test_invalid_lists_and_counts_are_refused():
    with pytest.raises(InputError, match="prompts must be a list of prompts; got a single one"):
        blend(make_prompt(1, rows=2), [1, 1])
    with pytest.raises(InputError, match="not all 0; got"):
        blend([], [])
    with pytest.raises(InputError, match="count must be at least 2, for the two ends; got 1"):
        interpolate(make_prompt(1), make_prompt(2), 1)
    with pytest.raises(InputError, match="second must be a prompt of one row; got 2"):
        interpolate(make_prompt(1), make_prompt(2, rows=2), 3)


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (3, 3), (3, 2), (4, 6), (-2, 3)])
def test_a_range_outside_the_prompt_is_refused(start, stop):
    with pytest.raises(InputError, match=f"text_place must be a range of tokens within 1:5; got {start}:{stop}"):
        place(make_prompt(1), make_prompt(2), start, stop)
