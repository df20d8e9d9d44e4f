"""Rows of prompts: selected, repeated and concatenated."""

import torch

from photism.prompts.audio_prompt import concatenate, select_rows
from tests.support.prompts import assert_equal, make_prompt


def test_rows_are_selected_in_the_given_order():
    prompts = make_prompt(0, rows=3)
    selected = select_rows(prompts, [2, 0, 0])
    assert torch.equal(selected.prompt_embeds, prompts.prompt_embeds[[2, 0, 0]])
    assert torch.equal(selected.pooled_prompt_embeds, prompts.pooled_prompt_embeds[[2, 0, 0]])
    assert select_rows(make_prompt(0, pooled=0), [0]).pooled_prompt_embeds is None


def test_concatenation_restores_the_rows():
    prompts = make_prompt(0, rows=3)._replace(windows=(1, 2, 1), mixture_weights=torch.eye(3))
    rows = [
        select_rows(prompts, [row])._replace(
            windows=prompts.windows[row : row + 1], mixture_weights=torch.eye(3)[[row]]
        )
        for row in range(3)
    ]
    together = concatenate(rows)
    assert_equal(together, prompts)
    assert together.windows == prompts.windows
    assert torch.equal(together.mixture_weights, torch.eye(3))


def test_concatenation_keeps_only_what_all_prompts_have():
    together = concatenate([make_prompt(0, pooled=0), make_prompt(1, pooled=0)._replace(mixture_weights=torch.eye(1))])
    assert together.pooled_prompt_embeds is None
    assert together.mixture_weights is None
