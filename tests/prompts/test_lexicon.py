"""Scores of pronunciations, compared with all CTC paths and with torch's CTC loss, and their invariances."""

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import ctc_loss, pad

from photism import InputError
from photism.prompts.lexicon import Lexicon

SYMBOLS = 4  # and blank
PRONUNCIATIONS = [(2, [1, 2]), (0, [3]), (1, [1, 1, 4]), (2, [2]), (0, [4, 4]), (1, [1, 2, 1, 2])]
PROMPTS = 4  # the last has no pronunciation
ONE_UTTERANCE = 1e6
"""Filler cost at which the filler is never used."""


def make_lexicon(pronunciations=PRONUNCIATIONS, filler_cost: float = ONE_UTTERANCE) -> Lexicon:
    symbols = sum(len(symbols) for _, symbols in pronunciations)
    lexicon = Lexicon(len(pronunciations), symbols, PROMPTS, filler_cost=filler_cost)
    lexicon.set_pronunciations(pronunciations)
    return lexicon


def make_logits(*shape: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(*shape, SYMBOLS + 1, generator=torch.Generator().manual_seed(0))


def full_mask(logits: Tensor) -> Tensor:
    return torch.ones(logits.shape[:2], dtype=torch.long)


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, before in zip(path, (0, *path), strict=False) if symbol not in (0, before)]


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6])
def test_a_score_is_that_of_the_best_path(frames):
    logits = make_logits(1, frames)
    scores = make_lexicon().score(logits, full_mask(logits))[0]
    paths = list(product(range(SYMBOLS + 1), repeat=frames))
    for (_, symbols), score in zip(PRONUNCIATIONS, scores, strict=True):
        sums = [sum(logits[0, f, s] for f, s in enumerate(path)) for path in paths if collapsed(path) == symbols]
        best = max(sums) - logits[0, :, 0].sum() if sums else torch.tensor(-torch.inf)
        torch.testing.assert_close(score, best)


@pytest.mark.parametrize("frames", [3, 5, 6])
def test_the_filler_absorbs_speech_before_and_after_at_its_cost_per_frame(frames):
    logits, cost = make_logits(1, frames), 1.5
    scores = make_lexicon(filler_cost=cost).score(logits, full_mask(logits))[0]
    gains = logits[0] - logits[0, :, :1]
    filler = (gains[:, 1:].amax(1) - cost).clamp(min=0)
    alone = make_lexicon()
    scores_of_segments = {
        (start, end): alone.score(logits[:, start:end], full_mask(logits[:, start:end]))[0]
        + filler[:start].sum()
        + filler[end:].sum()
        for start in range(frames)
        for end in range(start + 1, frames + 1)
    }
    torch.testing.assert_close(scores, torch.stack(list(scores_of_segments.values())).amax(0))


def test_a_certain_path_scores_as_in_ctc_loss():
    # One path has all the probability, so that the best path equals the sum of all.
    path = [1, 0, 1, 4, 4]
    logits = make_logits(1, 5, scale=0.1)
    logits[0, range(5), path] += 40
    log_probabilities = logits.log_softmax(-1)
    score = make_lexicon().score(logits, full_mask(logits))[0, 2]
    loss = ctc_loss(
        log_probabilities[0, :, None], torch.tensor([[1, 1, 4]]), torch.tensor([5]), torch.tensor([3]), reduction="sum"
    )
    torch.testing.assert_close(score + log_probabilities[0, :, 0].sum(), -loss)


def test_the_best_path_is_at_most_as_likely_as_all_paths_together():
    logits = make_logits(1, 20)
    log_probabilities = logits.log_softmax(-1)
    scores = make_lexicon().score(logits, full_mask(logits))[0] + log_probabilities[0, :, 0].sum()
    for (_, symbols), score in zip(PRONUNCIATIONS, scores, strict=True):
        lengths = torch.tensor([20]), torch.tensor([len(symbols)])
        loss = ctc_loss(log_probabilities[0, :, None], torch.tensor([symbols]), *lengths, reduction="sum")
        assert score < -loss < score + 10


@pytest.mark.parametrize("cost", [2.0, ONE_UTTERANCE])
def test_scores_do_not_depend_on_padding_or_the_rest_of_the_batch(cost):
    lexicon, logits = make_lexicon(filler_cost=cost), make_logits(3, 7)
    lengths = [7, 4, 1]
    mask = torch.stack([torch.arange(7) < length for length in lengths]).long()
    together = lexicon(pad(logits, (0, 0, 0, 5), value=9.0), pad(mask, (0, 5)))
    for row, length in enumerate(lengths):
        alone = logits[row : row + 1, :length]
        assert torch.equal(together[row : row + 1], lexicon(alone, full_mask(alone)))


def test_a_constant_added_to_all_logits_of_a_frame_changes_nothing():
    lexicon, logits = make_lexicon(filler_cost=2.0), make_logits(1, 9)
    expected = lexicon(logits, full_mask(logits))
    torch.testing.assert_close(lexicon(logits.log_softmax(-1), full_mask(logits)), expected)


def test_a_prompt_has_the_score_of_its_best_pronunciation_with_its_bias():
    lexicon, logits = make_lexicon(), make_logits(1, 9)
    with torch.no_grad():
        lexicon.bias.copy_(torch.tensor([0.0, 1, 2, 3, 4, 5]))
    scores = lexicon.score(logits, full_mask(logits))[0] + lexicon.bias
    prompts = lexicon(logits, full_mask(logits))[0]
    expected = torch.stack([scores[[1, 4]].max(), scores[[2, 5]].max(), scores[[0, 3]].max()])
    torch.testing.assert_close(prompts[:3], expected)
    assert prompts[3] == -1e6


def test_a_pronunciation_is_found_within_other_speech():
    spoken = [3, 3, 2, 0, 4, 1, 2, 1, 0, 2, 3, 4, 4]  # contains 1, 2, 1, 2
    logits = torch.zeros(1, len(spoken), SYMBOLS + 1)
    logits[0, range(len(spoken)), spoken] = 10.0
    pronunciations = [(1, [1, 2, 1, 2]), (0, [3, 2, 4, 3, 4])]
    assert make_lexicon(pronunciations, filler_cost=2.0)(logits, full_mask(logits))[0, :2].argmax() == 1
    assert make_lexicon(pronunciations)(logits, full_mask(logits))[0, :2].argmax() == 0


def test_all_scores_are_equal_where_no_pronunciation_fits():
    lexicon = make_lexicon([(0, [1, 2]), (1, [1, 1]), (2, [4, 3, 2])])
    logits = make_logits(1, 1)
    assert (lexicon(logits, full_mask(logits)) == -1e6).all()


def test_gradients_reach_the_bias():
    lexicon, logits = make_lexicon(), make_logits(2, 9)
    lexicon(logits, full_mask(logits))[:, :3].sum().backward()
    assert lexicon.bias.grad is not None
    assert lexicon.bias.grad.sum() == 6  # one pronunciation of each of three prompts, in two recordings


def test_invalid_pronunciations_are_refused():
    with pytest.raises(InputError, match="pronunciations must be from 1 to the 3 symbols of all; got 0"):
        Lexicon(0, 3, PROMPTS)
    with pytest.raises(InputError, match="pronunciations must be from 1 to the 3 symbols of all; got 4"):
        Lexicon(4, 3, PROMPTS)
    lexicon = Lexicon(2, 3, PROMPTS)
    with pytest.raises(InputError, match="pronunciations must be 2 with 3 symbols; got 2 with 4"):
        lexicon.set_pronunciations([(0, [1, 2]), (1, [1, 2])])
    with pytest.raises(InputError, match="pronunciations must be 2 with 3 symbols; got 1 with 3"):
        lexicon.set_pronunciations([(0, [1, 2, 3])])
    with pytest.raises(InputError, match="prompt of a pronunciation must be from 0 to 3; got 4"):
        lexicon.set_pronunciations([(0, [1, 2]), (4, [1])])
    with pytest.raises(InputError, match=r"a pronunciation must consist of symbols from 1 on; got \[\]"):
        lexicon.set_pronunciations([(0, [1, 2, 3]), (1, [])])
    with pytest.raises(InputError, match=r"a pronunciation must consist of symbols from 1 on; got \[1, 0\]"):
        lexicon.set_pronunciations([(0, [1]), (1, [1, 0])])
